"""Whatever is asked of a function, and whatever its worker says: a value, or the no that it deserves."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from typing import Any

import pytest
from function_models import BATCH, CONTRACT, make_graph
from hypothesis import given
from hypothesis import strategies as st

from ostiary.answer import TensorGathering
from ostiary.contract import check_tensors
from ostiary.core.lanes import LANES, find_outside
from ostiary.core.tensors import ITEM_BYTES, ParsedTensors, Tensor
from ostiary.errors import AnswerRefused, ContractRefused, SandboxViolation
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput

WIDE = FunctionContract(
    "wide",
    (ContractDim("batch", 1, 4),),
    (
        TensorInput("a", "FP32", (BATCH, 2), True, (-1.0, 1.0)),
        TensorInput("b", "INT8", (2 * BATCH,), allowed=(0, 1)),
        TensorInput("c", "BOOL", ()),
    ),
    (TensorOutput("y", "FP16", (BATCH,), True), TensorOutput("z", "BOOL", (2,))),
)
NUMBERS = st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats() | st.text(max_size=2)
LISTS = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
TENSORS = st.builds(
    Tensor,
    st.sampled_from([*ITEM_BYTES, "COMPLEX64", "", "FP32\n"]),
    st.lists(st.integers(-1, 5), max_size=4).map(tuple),
    st.binary(max_size=64).map(memoryview),
)
VALUES = LISTS | TENSORS | st.binary(max_size=4) | st.dictionaries(st.text(max_size=2), NUMBERS, max_size=2)


@given(
    inputs=st.dictionaries(st.sampled_from(["a", "b", "c", "d", ""]), VALUES, max_size=4),
    timeout=st.none() | NUMBERS,
)
def test_any_inputs_are_checked_or_refused(inputs: dict[str, object], timeout: object) -> None:
    with suppress(ContractRefused):
        checked = check_tensors(ParsedTensors(inputs, timeout), WIDE)
        told: Any = checked.body["inputs"]
        for item, data in zip(told, checked.buffers, strict=True):
            count = 1
            for size in item["shape"]:
                count *= size
            assert len(data) == count * ITEM_BYTES[item["datatype"]]


@given(rows=st.lists(st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=4))
def test_what_keeps_to_the_contract_gets_through(rows: list[tuple[float, float]]) -> None:
    inputs = {"a": [list(row) for row in rows], "b": [0, 1] * len(rows), "c": True}
    checked = check_tensors(ParsedTensors(inputs), WIDE)
    assert struct.unpack(f"<{2 * len(rows)}f", checked.buffers[0]) == tuple(x for row in rows for x in row)
    assert [item.shape for item in checked.outputs] == [(len(rows),), (2,)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.sampled_from(["y", "z", "FP16", "BOOL", "FP32"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "datatype", "shape", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)
HONEST: Any = [{"name": "y", "datatype": "FP16", "shape": [1]}, {"name": "z", "datatype": "BOOL", "shape": [2]}]


@given(outputs=JSON | st.just(HONEST), tail=st.binary(max_size=6), more=st.booleans())
def test_any_reply_is_an_answer_or_ends_the_worker(outputs: Any, tail: bytes, more: bool) -> None:
    checked = check_tensors(ParsedTensors({"a": [[0, 0]], "b": [0, 1], "c": False}), WIDE)
    body = {"outputs": outputs, **({"more": 1} if more else {})}
    with suppress(SandboxViolation, AnswerRefused):
        answer = TensorGathering(checked, 0).take_result(body, tail)
        assert (outputs, len(tail), more) == (HONEST, 4, False)
        assert answer.bytes == 4


@given(
    values=st.lists(st.floats(width=32), max_size=9),
    bounds=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)).map(sorted),
)
def test_bounds_are_pythons_own(values: list[float], bounds: list[float]) -> None:
    low, high = bounds
    data = memoryview(struct.pack(f"<{len(values)}f", *values))
    inside = [low <= value <= high and value - value == 0 for value in values]
    wanted = None if all(inside) else inside.index(False)
    assert find_outside(data, LANES["FP32"], low, high) == wanted


def test_the_contract_of_other_tests_is_sound() -> None:
    assert check_tensors(ParsedTensors({"x": [[1, 2, 3]]}), CONTRACT).outputs


@pytest.mark.mlx
@given(
    shape=st.lists(st.integers(0, 70), max_size=3).map(tuple) | st.tuples(st.integers(0, 70), st.just(3)),
    datatype=st.sampled_from(["FP32", "FP16", "INT32"]),
)
def test_both_sides_of_the_wall_are_of_one_opinion(shape: tuple[int, ...], datatype: str) -> None:
    """What is let through here is taken there; what is not would not be, but for the numbers in it."""
    pytest.importorskip("mlx.core")
    from ostiary.interpreter.bind_inputs import bind_inputs
    from ostiary.interpreter.unfit import InputUnfit
    from ostiary.worker.engines.contract import Call, CallUnfit
    from ostiary.worker.engines.function.infer_call import parse_call

    count = math.prod(shape)
    tensor = Tensor(datatype, shape, memoryview(bytes(count * ITEM_BYTES[datatype])))
    try:
        here = check_tensors(ParsedTensors({"x": tensor}), CONTRACT)
        body: Any = here.body
    except ContractRefused:
        here = None
        body = {"inputs": [{"name": "x", "datatype": datatype, "shape": list(shape)}]}
    graph = make_graph()
    try:
        call = parse_call(Call(1, "infer", body, tensor.data), graph)
        there = bind_inputs(graph, call.shapes)
    except (CallUnfit, InputUnfit):
        assert here is None
        return
    assert here is not None
    assert there == {"batch": shape[0]}
