"""Calls made from a function's contract: each meets what it says, and each bound has one on either side."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

import pytest
from function_models import BATCH, CONTRACT

from ostiary.contract import TensorSample, check_tensors, make_tensor_samples
from ostiary.core.limits import MAX_FRAME_TAIL_BYTES
from ostiary.core.tensors import Tensor
from ostiary.errors import ContractRefused
from ostiary.graph.function_contract import DTYPES, ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.sizes import dim

ROWS = dim("rows")
ONE = (TensorOutput("y", "FP32", ()),)


def contract_of(*inputs: TensorInput, dims: tuple[ContractDim, ...] = ()) -> FunctionContract:
    return FunctionContract("f", dims, inputs, ONE)


EVERY_DATATYPE = [contract_of(TensorInput("x", word, (2, 3))) for word in DTYPES]
RULES = [
    CONTRACT,
    contract_of(),
    contract_of(TensorInput("x", "FP32", (), True)),
    contract_of(TensorInput("x", "FP16", (2,), False, (0.1, 0.3))),
    contract_of(TensorInput("x", "BF16", (2,), True, (-0.3, -0.1))),
    contract_of(TensorInput("x", "FP32", (2,), False, None, (-0.5, 0.25))),
    contract_of(TensorInput("x", "FP32", (2,), True, (0.0, 1.0), (-1.0, 0.0, 0.5, 2.0))),
    contract_of(TensorInput("x", "INT8", (3,), False, (-128, 127))),
    contract_of(TensorInput("x", "INT64", (3,), False, (5, 7), (5, 6, 7))),
    contract_of(TensorInput("x", "UINT8", (), False, None, (1, 2, 7))),
    contract_of(TensorInput("x", "FP32", (0, 3), True, (0.0, 1.0))),
    contract_of(
        TensorInput("a", "FP32", (BATCH, ROWS, 2)),
        TensorInput("b", "INT32", (2 * BATCH + 1, ROWS), False, (0, 9)),
        TensorInput("c", "BOOL", (ROWS // 2,)),
        dims=(ContractDim("batch", 1, 8, True), ContractDim("rows", 2, None)),
    ),
]


def try_sample(sample: TensorSample, contract: FunctionContract) -> str | None:
    try:
        check_tensors(sample.request, contract)
    except ContractRefused as refusal:
        return refusal.rule
    return None


@pytest.mark.parametrize("contract", [*RULES, *EVERY_DATATYPE])
def test_each_call_meets_what_the_contract_says(contract: FunctionContract) -> None:
    names = []
    for sample in make_tensor_samples(contract):
        assert try_sample(sample, contract) == sample.rule, sample.name
        names.append(sample.name)
    assert len(set(names)) == len(names)


def by_name(contract: FunctionContract) -> Mapping[str, TensorSample]:
    return {sample.name: sample for sample in make_tensor_samples(contract)}


def last_number(sample: TensorSample, form: str) -> float:
    x = sample.request.inputs["x"]
    assert isinstance(x, Tensor)
    (number,) = struct.unpack(form, bytes(x.data[-struct.calcsize(form) :]))
    return float(number)


def test_numbers_lie_just_within_and_just_past_their_range() -> None:
    samples = by_name(contract_of(TensorInput("x", "FP32", (2,), False, (0.1, 0.3))))
    within = [last_number(samples[f"x holds the {end} of its range"], "<f") for end in ("least", "greatest")]
    past = [last_number(samples[f"x holds just {side} its range"], "<f") for side in ("below", "above")]
    assert past[0] < 0.1 <= within[0] < within[1] <= 0.3 < past[1]
    assert within[0] - past[0] < 1e-8
    assert past[1] - within[1] < 1e-7
    assert math.isinf(last_number(samples["x holds an infinity"], "<f"))
    assert math.isnan(last_number(samples["x holds what is no number"], "<f"))
    assert samples["x holds what is no number"].rule == "range"


def test_a_number_between_those_allowed_is_tried() -> None:
    samples = by_name(contract_of(TensorInput("x", "INT64", (3,), False, (5, 9), (5, 6, 9))))
    assert last_number(samples["x holds a number that is not allowed"], "<q") == 7
    assert samples["x holds a number that is not allowed"].rule == "allowed"
    assert last_number(samples["x holds the last that is allowed"], "<q") == 9


def test_what_no_rule_bounds_is_tried_and_fits() -> None:
    samples = by_name(contract_of(TensorInput("x", "FP32", (2,))))
    assert samples["x holds what is no number"].rule is None
    assert "x holds just above its range" not in samples
    samples = by_name(contract_of(TensorInput("x", "INT16", (2,))))
    ends = [last_number(samples[f"x holds the {end} INT16"], "<h") for end in ("least", "greatest")]
    assert ends == [-32_768, 32_767]


def test_dims_are_tried_at_both_ends_and_past_them() -> None:
    samples = by_name(CONTRACT)
    shapes = {}
    for name, sample in samples.items():
        x = sample.request.inputs.get("x")
        if name.startswith("batch") and isinstance(x, Tensor):
            shapes[x.shape[0]] = sample.rule
    assert shapes == {0: "shape", 1: None, 64: None, 65: "shape"}


def test_inputs_that_share_a_dim_are_tried_apart() -> None:
    two = contract_of(
        TensorInput("a", "UINT8", (BATCH,)), TensorInput("b", "UINT8", (BATCH,)), dims=(ContractDim("batch", 1, 4),)
    )
    assert by_name(two)["batch is one more in b alone"].rule == "shape"


def test_a_call_of_too_many_bytes_is_the_first_such() -> None:
    endless = contract_of(TensorInput("x", "FP32", (BATCH, 3)), dims=(ContractDim("batch", 1, None),))
    (sample,) = (sample for sample in make_tensor_samples(endless) if sample.rule == "bytes")
    x = sample.request.inputs["x"]
    assert isinstance(x, Tensor)
    assert len(x.data) - 12 <= MAX_FRAME_TAIL_BYTES < len(x.data)


def test_what_is_never_small_enough_is_refused_at_once() -> None:
    vast = contract_of(TensorInput("x", "FP32", (1 << 20, 1 << 20)))
    with pytest.raises(ContractRefused, match="bytes"):
        list(make_tensor_samples(vast))


def test_a_contract_that_nothing_fits_is_found_out() -> None:
    """No FP16 lies within, and the least call is then refused, which it should not be."""
    contract = contract_of(TensorInput("x", "FP16", (1,), False, (0.1, 0.100001)))
    assert [
        sample.name for sample in make_tensor_samples(contract) if try_sample(sample, contract) != sample.rule
    ] == ["the least that fits", "the same as numbers in lists"]
