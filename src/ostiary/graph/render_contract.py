"""Writes a function's contract as contract.json: the one spelling there is of it."""

from __future__ import annotations

import json
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.graph.function_contract import CONTRACT_FORMAT, PLATFORM, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.hex_float import render_hex_float
from ostiary.graph.sizes import Expression, Size

_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def render_contract(contract: FunctionContract) -> bytes:
    """The bytes of contract.json."""
    return _encode(describe_contract(contract)).encode("utf-8", "surrogatepass")


def describe_contract(contract: FunctionContract) -> dict[str, JsonValue]:
    """The contract as JSON."""
    return {
        "format": CONTRACT_FORMAT,
        "version": contract.version,
        "name": contract.name,
        "platform": PLATFORM,
        "dims": {
            item.name: {"min": item.min, "max": item.max, "is_batch": item.is_batch} for item in contract.dims
        },
        "inputs": [_describe_input(item) for item in contract.inputs],
        "outputs": [_describe_output(item) for item in contract.outputs],
    }


def _describe_input(item: TensorInput) -> dict[str, JsonValue]:
    described = _describe_tensor(item.name, item.datatype, item.shape)
    if item.is_finite:
        described["finite"] = True
    if item.range is not None:
        described["range"] = [_describe_number(end) for end in item.range]
    if item.allowed:
        described["allowed"] = [_describe_number(number) for number in item.allowed]
    return described


def _describe_output(item: TensorOutput) -> dict[str, JsonValue]:
    described = _describe_tensor(item.name, item.datatype, item.shape)
    if item.is_finite:
        described["finite"] = True
    return described


def _describe_tensor(name: str, datatype: str, shape: tuple[Size, ...]) -> dict[str, JsonValue]:
    """The protocol's shape has -1 for what follows a dim; which one stands beside it."""
    return {
        "name": name,
        "datatype": datatype,
        "shape": [-1 if isinstance(size, Expression) else size for size in shape],
        "dims": [size.text if isinstance(size, Expression) else None for size in shape],
    }


def _describe_number(number: float) -> JsonValue:
    """Integers are floats to a type checker, and not to the format."""
    return number if type(number) is int else {"f": render_hex_float(number)}
