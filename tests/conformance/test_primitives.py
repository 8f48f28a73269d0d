"""Every primitive gives what MLX gives for the same call, over element types and odd shapes."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")

from primitive_cases import CASES, Case  # noqa: E402
from primitive_cases.summary import PLACE, render  # noqa: E402

from ostiary.graph.call import Call, UnfitError  # noqa: E402
from ostiary.graph.dtypes import Dtype  # noqa: E402
from ostiary.graph.primitive import Primitive  # noqa: E402
from ostiary.graph.primitives import PRIMITIVES  # noqa: E402
from ostiary.graph.scope import Scope  # noqa: E402
from ostiary.graph.values import Graph, Input, Node, Output, TensorType  # noqa: E402
from ostiary.interpreter.function import Budget, Function  # noqa: E402
from ostiary.interpreter.operations import OPERATIONS  # noqa: E402
from ostiary.interpreter.tensor_bytes import MLX_DTYPES  # noqa: E402

pytestmark = pytest.mark.mlx

_ROUNDS_BY = {Dtype.FLOAT16: 4e-3, Dtype.BFLOAT16: 3e-2}


def make_function(op: str, types: Sequence[TensorType], attributes: dict[str, Any]) -> Function:
    """A graph of this one node; inference says what it gives."""
    outputs = PRIMITIVES[op].infer(Call(tuple(types), attributes, Scope({})))
    graph = Graph(
        name="one-node",
        dims=(),
        inputs=tuple(Input(f"x{number}", item) for number, item in enumerate(types)),
        constants=(),
        nodes=(Node(op, tuple(range(len(types))), outputs, attributes),),
        outputs=tuple(Output(f"y{number}", len(types) + number) for number in range(len(outputs))),
    )
    return Function(graph, {}, Budget(1 << 24, 1 << 24))


def make_inputs(case: Case, dtype: Dtype) -> list[mx.array]:
    """The same numbers each time."""
    chance = random.Random(case.name)  # noqa: S311  the same each time
    inputs = []
    for position, shape in enumerate(case.shapes):
        kind = case.fixed.get(position, dtype)
        numbers = case.values.get(position)
        if numbers is None:
            numbers = [chance.uniform(case.low, case.high) for _ in range(math.prod(shape))]
        if kind.is_integer:
            low = 0 if kind.value.startswith("u") else case.low
            numbers = [int(max(number, low)) if position not in case.values else int(number) for number in numbers]
        elif kind is Dtype.BOOL:
            numbers = [number > 0 for number in numbers]
        array = mx.array(numbers, MLX_DTYPES[kind]) if numbers else mx.zeros((0,), MLX_DTYPES[kind])
        inputs.append(mx.reshape(array, shape))
    return inputs


def as_list(result: Any) -> list[mx.array]:
    return [result] if isinstance(result, mx.array) else list(result)


def check_equal(ours: mx.array, theirs: mx.array, rounding: float) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if ours.dtype in {mx.float16, mx.bfloat16}:
        ours, theirs = ours.astype(mx.float32), theirs.astype(mx.float32)
    if mx.issubdtype(ours.dtype, mx.inexact):
        assert mx.allclose(ours, theirs, rtol=rounding, atol=rounding, equal_nan=True).item()
    else:
        assert mx.array_equal(ours, theirs).item()


def test_every_primitive_has_a_call_and_a_case() -> None:
    assert set(OPERATIONS) == set(PRIMITIVES)
    assert {case.op for case in CASES} | {"random_bits"} == set(PRIMITIVES)


def test_the_summary_for_the_documentation_is_that_of_the_cases() -> None:
    assert PLACE.read_text(encoding="utf-8") == render(), "run tests/primitive_cases/summary.py"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_primitive_gives_what_mlx_gives(case: Case) -> None:
    for dtype in case.dtypes if case.shapes else (Dtype.FLOAT32,):
        inputs = make_inputs(case, dtype)
        types = [TensorType(case.fixed.get(place, dtype), shape) for place, shape in enumerate(case.shapes)]
        function = make_function(case.op, types, dict(case.attributes))
        with mx.stream(mx.cpu):
            ours = function.call(inputs)
            theirs = as_list(case.reference(*inputs))
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            check_equal(one, other, max(case.rounding, _ROUNDS_BY.get(dtype, 0)))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 33])
@pytest.mark.parametrize("seed", [0, 5, (1 << 40) + 3])
def test_random_bits_are_those_that_mlx_draws(count: int, seed: int) -> None:
    key = mx.random.key(seed)
    kind = TensorType(Dtype.UINT32, (2,))
    (bits,) = make_function("random_bits", [kind], {"shape": (count,), "width": 4}).call([key])
    assert mx.array_equal(mx.argsort(bits), mx.random.permutation(count, key=key)).item()
    uniform = mx.minimum(bits.astype(mx.float32) / mx.array(4294967295.0), mx.array(1 - 2**-24))
    assert mx.array_equal(uniform, mx.random.uniform(shape=(count,), key=key)).item()
    (small,) = make_function("random_bits", [kind], {"shape": (count,), "width": 2}).call([key])
    assert mx.array_equal(small, mx.view(_draw(key, count), mx.uint16)[:count]).item()


def _draw(key: mx.array, count: int) -> mx.array:
    words = -(-count // 2)
    (drawn,) = make_function("random_bits", [TensorType(Dtype.UINT32, (2,))], {"shape": (words,), "width": 4}).call(
        [key]
    )
    return drawn


def _accepted(op: str, types: Sequence[TensorType], attributes: dict[str, Any]) -> bool:
    try:
        PRIMITIVES[op].infer(Call(tuple(types), attributes, Scope({})))
    except UnfitError:
        return False
    return True


def _ones(types: Sequence[TensorType]) -> list[mx.array]:
    return [mx.ones(item.shape, MLX_DTYPES[item.dtype]) for item in types]


_ELEMENTWISE = [row for row in PRIMITIVES.values() if row.family == "elementwise" and not row.attributes]


@pytest.mark.parametrize("row", _ELEMENTWISE, ids=lambda row: row.name)
def test_mlx_takes_every_combination_of_types_that_inference_takes(row: Primitive) -> None:
    """And gives the type that inference says: the plan refuses otherwise."""
    for chosen in itertools.product(Dtype, repeat=len(row.inputs)):
        if row.name == "select" and chosen[0] is not Dtype.BOOL:
            continue
        types = [TensorType(dtype, (2,)) for dtype in chosen]
        if _accepted(row.name, types, {}):
            make_function(row.name, types, {}).call(_ones(types))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.op not in {row.name for row in _ELEMENTWISE}],
    ids=lambda case: case.name,
)
def test_mlx_takes_every_type_that_inference_takes(case: Case) -> None:
    for dtype in Dtype:
        if case.op == "gather_mm" and dtype is not Dtype.FLOAT32:
            continue  # MLX has it for devices only, and says so
        types = [TensorType(case.fixed.get(place, dtype), shape) for place, shape in enumerate(case.shapes)]
        if _accepted(case.op, types, dict(case.attributes)):
            inputs = make_inputs(case, dtype)
            make_function(case.op, types, dict(case.attributes)).call(inputs)
