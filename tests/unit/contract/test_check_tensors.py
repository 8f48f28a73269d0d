"""What a function takes and what it does not: each rule, and what is said of it."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from function_models import BATCH, CONTRACT

from ostiary.contract import check_tensors
from ostiary.core.limits import MAX_FRAME_TAIL_BYTES
from ostiary.core.tensors import ExpectedTensor, ParsedTensors, Tensor
from ostiary.core.tickets import CheckedTensors
from ostiary.errors import ContractRefused
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.sizes import dim

SEQUENCE = TensorInput("s", "INT32", (BATCH, 2 * BATCH), allowed=(1, 2))
PAIR = replace(CONTRACT, inputs=(*CONTRACT.inputs, SEQUENCE))


def floats(*values: float, shape: tuple[int, ...] | None = None) -> Tensor:
    data = struct.pack(f"<{len(values)}f", *values)
    return Tensor("FP32", (len(values) // 3, 3) if shape is None else shape, memoryview(data))


def check(contract: FunctionContract = CONTRACT, timeout: object = None, **inputs: object) -> CheckedTensors:
    return check_tensors(ParsedTensors(inputs, timeout), contract)


def test_what_fits_travels_as_it_came() -> None:
    x = floats(1, 2, 3, -10, 0, 10)
    checked = check(x=x, timeout=3)
    assert checked.body == {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3]}]}
    assert checked.buffers[0] is x.data
    assert checked.outputs == (ExpectedTensor("y", "FP32", (2, 3), is_finite=True),)
    assert (checked.timeout_seconds, checked.bytes) == (3.0, 24)


@pytest.mark.parametrize("inputs", [{"z": [[1]]}, {"x": "text"}], ids=["a name", "a type"])
def test_the_hint_is_about_functions(inputs: dict[str, object]) -> None:
    with pytest.raises(ContractRefused) as caught:
        check(**inputs)
    assert "docs/functions.md" in str(caught.value.hint)


def test_lists_become_what_the_contract_names() -> None:
    checked = check(x=[[1, 2.5, 3]])
    assert struct.unpack("<3f", checked.buffers[0]) == (1, 2.5, 3)


def test_inputs_travel_in_the_order_of_the_contract() -> None:
    checked = check(PAIR, s=[[1, 2]], x=[[1, 2, 3]])
    assert [item["name"] for item in checked.body["inputs"]] == ["x", "s"]  # type: ignore[union-attr, index, call-overload]
    assert [len(buffer) for buffer in checked.buffers] == [12, 8]


REFUSED: Mapping[str, tuple[FunctionContract, Mapping[str, Any], tuple[str, str, str, str]]] = {
    "nothing": (CONTRACT, {}, ("CONTRACT_TYPE", "x", "inputs", "is missing")),
    "another name": (CONTRACT, {"z": [[1]]}, ("CONTRACT_UNKNOWN_FIELD", "z", "inputs", "it takes x")),
    "one more name": (CONTRACT, {"x": [[1, 2, 3]], "z": 1}, ("CONTRACT_UNKNOWN_FIELD", "z", "inputs", "no input")),
    "a text": (CONTRACT, {"x": "abc"}, ("CONTRACT_TYPE", "x", "datatype", "a string, not a tensor")),
    "another type": (
        CONTRACT,
        {"x": Tensor("FP64", (1, 3), memoryview(bytes(24)))},
        ("CONTRACT_DTYPE", "x", "datatype", "is FP64; this function takes FP32"),
    ),
    "a type that nobody knows": (
        CONTRACT,
        {"x": Tensor("COMPLEX\n64", (1, 3), memoryview(bytes(24)))},
        ("CONTRACT_DTYPE", "x", "datatype", "takes FP32"),
    ),
    "fewer bytes than its shape": (
        CONTRACT,
        {"x": floats(1, 2, shape=(1, 3))},
        ("CONTRACT_SHAPE", "x", "shape", "has 8 bytes; its shape makes 12"),
    ),
    "a size below nothing": (
        CONTRACT,
        {"x": Tensor("FP32", (-1, -3), memoryview(bytes(12)))},
        ("CONTRACT_SHAPE", "x", "shape", "has 12 bytes"),
    ),
    "a dimension less": (
        CONTRACT,
        {"x": [1, 2, 3]},
        ("CONTRACT_SHAPE", "x", "shape", "[3]; this function takes [batch, 3]"),
    ),
    "another size": (
        CONTRACT,
        {"x": [[1, 2]]},
        ("CONTRACT_SHAPE", "x", "shape", "[1, 2]; this function takes [batch, 3]"),
    ),
    "no rows": (
        CONTRACT,
        {"x": Tensor("FP32", (0, 3), memoryview(b""))},
        ("CONTRACT_SHAPE", "x", "shape", "batch goes from 1 to 64"),
    ),
    "too many rows": (
        CONTRACT,
        {"x": [[1, 2, 3]] * 65},
        ("CONTRACT_SHAPE", "x", "shape", "batch goes from 1 to 64"),
    ),
    "rows of different lengths": (
        CONTRACT,
        {"x": [[1, 2, 3], [1, 2]]},
        ("CONTRACT_SHAPE", "x", "shape", "different lengths"),
    ),
    "two batches": (
        PAIR,
        {"x": [[1, 2, 3]] * 2, "s": [[1, 2, 1, 2, 1, 2]] * 3},
        ("CONTRACT_SHAPE", "s", "shape", "has 3 where x has 2: both are batch"),
    ),
    "a size that another makes": (
        PAIR,
        {"x": [[1, 2, 3]] * 2, "s": [[1, 2, 1]] * 2},
        ("CONTRACT_SHAPE", "s", "shape", "[2, 3]; this function takes [batch, 2*batch]"),
    ),
    "no number": (CONTRACT, {"x": [[1, math.nan, 3]]}, ("CONTRACT_NOT_FINITE", "x", "finite", "at [0, 1]")),
    "no end": (
        CONTRACT,
        {"x": [[1, 2, 3], [1, 2, -math.inf]]},
        ("CONTRACT_NOT_FINITE", "x", "finite", "at [1, 2]"),
    ),
    "too great": (
        CONTRACT,
        {"x": [[1, 10.001, 3]]},
        ("CONTRACT_RANGE", "x", "range", "outside of [-10, 10] at [0, 1]"),
    ),
    "none of those": (
        PAIR,
        {"x": [[1, 2, 3]], "s": [[1, 3]]},
        ("CONTRACT_RANGE", "s", "allowed", "is none of 1, 2 at [0, 1]"),
    ),
    "a fraction where there are none": (
        PAIR,
        {"x": [[1, 2, 3]], "s": [[1, 1.5]]},
        ("CONTRACT_TYPE", "s", "type", "a fraction"),
    ),
    "more than its type holds": (
        PAIR,
        {"x": [[1, 2, 3]], "s": [[1, 1 << 40]]},
        ("CONTRACT_RANGE", "s", "range", "none of INT32"),
    ),
    "true where numbers are": (
        PAIR,
        {"x": [[1, 2, 3]], "s": [[1, True]]},
        ("CONTRACT_TYPE", "s", "type", "a boolean"),
    ),
    "no time": (CONTRACT, {"x": [[1, 2, 3]], "timeout": 0}, ("CONTRACT_RANGE", "timeout", "range", "above 0")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_told_by_field_rule_and_limit(name: str) -> None:
    contract, inputs, (code, field, rule, words) = REFUSED[name]
    with pytest.raises(ContractRefused) as caught:
        check(contract, **inputs)
    error = caught.value
    assert (error.code, error.field, error.rule) == (code, field, rule)
    assert words in error.message
    assert "\n" not in error.message
    assert error.limit or rule in {"range", "shape", "type"}  # bounds of the house name no limit


def test_a_boolean_is_one_of_two_bytes() -> None:
    contract = FunctionContract("f", (), (TensorInput("m", "BOOL", (3,)),), (TensorOutput("y", "BOOL", (3,)),))
    assert check(contract, m=[True, False, True]).buffers == (b"\1\0\1",)
    with pytest.raises(ContractRefused, match="neither true nor false at \\[2\\]"):
        check(contract, m=Tensor("BOOL", (3,), memoryview(b"\1\0\2")))


def test_a_scalar_has_no_place() -> None:
    contract = FunctionContract("f", (), (TensorInput("t", "FP16", (), range=(0.0, 1.0)),), ())
    assert check(contract, t=0.5).body["inputs"] == [{"name": "t", "datatype": "FP16", "shape": []}]
    with pytest.raises(ContractRefused, match="outside of \\[0, 1\\] as it is"):
        check(contract, t=1.5)


def test_more_bytes_than_a_frame_has_are_told_before_they_are_read() -> None:
    """Of what comes back, too: whoever asks is told to ask with less, and no worker computes for nothing."""
    rows = ContractDim("n", 1, None)
    wide = FunctionContract(
        "f",
        (rows,),
        (TensorInput("x", "UINT8", (dim("n"),)),),
        (TensorOutput("y", "FP32", (dim("n"), 1 << 20)),),
    )
    with pytest.raises(ContractRefused) as caught:
        check(wide, x=Tensor("UINT8", (65,), memoryview(bytes(65))))
    assert caught.value.code == "CONTRACT_TOO_LONG"
    assert caught.value.limit == f"{int(MAX_FRAME_TAIL_BYTES):,} bytes"
    assert check(wide, x=Tensor("UINT8", (64,), memoryview(bytes(64)))).outputs[0].shape == (64, 1 << 20)
