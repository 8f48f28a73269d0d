"""What a client sends to have a function computed: JSON, and binary data behind it. Pure.

Of the binary data nothing is copied: each tensor is a part of the body that was received.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.contract.check_tensors import unknown_input
from ostiary.contract.pack_numbers import pack_numbers
from ostiary.core.tensors import ITEM_BYTES, Tensor
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    CONTRACT_DTYPE,
    CONTRACT_SHAPE,
    CONTRACT_TYPE,
    CONTRACT_UNKNOWN_FIELD,
    GATEWAY_BODY_MALFORMED,
    Code,
    ContractRefused,
    GatewayRefused,
)
from ostiary.gateway.body import parse_body
from ostiary.gateway.oip.forms import InferBody, InferInput
from ostiary.graph.function_contract import FunctionContract

HEADER_LENGTH: Final = "inference-header-content-length"
_LENGTH: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_BINARY_ONLY: Final = frozenset({"FP16", "BF16"})


@dataclass(frozen=True, slots=True)
class WantedTensor:
    """An output that is to come back, and how."""

    name: str
    is_binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What is asked of a function. Shapes and numbers are for the contract to judge."""

    id: str | None
    inputs: Mapping[str, Tensor]
    wanted: tuple[WantedTensor, ...]
    """In the order in which they are to come."""


def split_body(data: bytes | memoryview, claimed_header: str | None) -> tuple[bytes, memoryview]:
    """The JSON, and the binary data behind it. `claimed_header`: the bytes of the JSON, as a header told."""
    whole = memoryview(data)
    if claimed_header is None:
        return bytes(data), whole[:0]
    if not _LENGTH.fullmatch(claimed_header) or int(claimed_header) > len(data):
        raise GatewayRefused(
            GATEWAY_BODY_MALFORMED, f"{HEADER_LENGTH} is no number of bytes that the body has", field=HEADER_LENGTH
        )
    end = int(claimed_header)
    return bytes(whole[:end]), whole[end:]


def parse_infer(header: bytes, binary: memoryview, contract: FunctionContract) -> InferRequest:
    """Raises GatewayRefused, and ContractRefused with the field."""
    body = parse_body(header, InferBody)
    inputs: dict[str, Tensor] = {}
    start = 0
    for place, item in enumerate(body.inputs):
        field = f"inputs[{place}]"
        if item.name in inputs:
            raise misfit(CONTRACT_TYPE, f"{field}.name", "is that of an input before it")
        size = None if item.parameters is None else item.parameters.binary_data_size
        _judge_datatype(item, field, contract)
        if (size is None) == (item.data is None):
            raise misfit(CONTRACT_TYPE, f"{field}.data", "has to be there, or a binary_data_size, and not both")
        if size is None:
            inputs[item.name] = _pack(item, field)
            continue
        if size > len(binary) - start:
            detail = f"goes beyond the binary data, which has {len(binary):,} bytes"
            raise misfit(CONTRACT_SHAPE, f"{field}.parameters.binary_data_size", detail)
        part = binary[start : start + size]
        inputs[item.name] = make_tensor(item.datatype, item.shape, part, f"{field}.parameters.binary_data_size")
        start += size
    if start != len(binary):
        raise GatewayRefused(
            GATEWAY_BODY_MALFORMED, f"{len(binary) - start:,} bytes follow that are no input's", field="inputs"
        )
    return InferRequest(body.id, inputs, _read_wanted(body, contract))


def make_tensor(datatype: str, shape: Sequence[int], data: memoryview, field: str) -> Tensor:
    """`datatype` is one that is known. Raises ContractRefused where the bytes are not those of the shape."""
    needed = math.prod(shape) * ITEM_BYTES[datatype]
    if needed != len(data):
        raise misfit(CONTRACT_SHAPE, field, f"is {len(data):,}; the shape makes {needed:,} bytes")
    return Tensor(datatype, tuple(shape), data)


def judge_datatype(name: str, datatype: str, field: str, contract: FunctionContract) -> None:
    """Before any number is read as one of that type. What is wrong is named by its place: the words of a request
    come back in no error.
    """
    expected = next((rule.datatype for rule in contract.inputs if rule.name == name), None)
    if expected is None:
        raise unknown_input(f"{field}.name", contract)
    if datatype != expected:
        raise misfit(CONTRACT_DTYPE, f"{field}.datatype", f"is not {expected}")


def name_outputs(names: Sequence[str], contract: FunctionContract) -> None:
    """Raises ContractRefused where one is asked for that is none, or twice."""
    known = {rule.name for rule in contract.outputs}
    for place, name in enumerate(names):
        if name not in known:
            raise misfit(CONTRACT_UNKNOWN_FIELD, f"outputs[{place}].name", "is no output of this function")
        if name in names[:place]:
            raise misfit(CONTRACT_TYPE, f"outputs[{place}].name", "is that of an output before it")


def misfit(code: Code, field: str, detail: str) -> ContractRefused:
    return ContractRefused(code, f"{field} {detail}", field=field)


def _judge_datatype(item: InferInput, field: str, contract: FunctionContract) -> None:
    judge_datatype(item.name, item.datatype, field, contract)
    if item.data is not None and item.datatype in _BINARY_ONLY:
        raise misfit(CONTRACT_TYPE, f"{field}.data", f"cannot be numbers of {item.datatype}: send binary data")


def _pack(item: InferInput, field: str) -> Tensor:
    packed = pack_numbers(item.data, item.datatype, f"{field}.data")
    shape = tuple(item.shape)
    if packed.shape != shape and (len(packed.shape) != 1 or packed.elements != math.prod(shape)):
        raise misfit(CONTRACT_SHAPE, f"{field}.data", "has another number of entries than the shape makes")
    return Tensor(item.datatype, shape, packed.data)


def _read_wanted(body: InferBody, contract: FunctionContract) -> tuple[WantedTensor, ...]:
    usual = body.parameters is not None and body.parameters.binary_data_output is True
    if not body.outputs:
        wanted = tuple(WantedTensor(rule.name, usual) for rule in contract.outputs)
    else:
        name_outputs([item.name for item in body.outputs], contract)
        told = [None if item.parameters is None else item.parameters.binary_data for item in body.outputs]
        wanted = tuple(
            WantedTensor(item.name, usual if is_binary is None else is_binary)
            for item, is_binary in zip(body.outputs, told, strict=True)
        )
    types = {rule.name: rule.datatype for rule in contract.outputs}
    for item in wanted:
        if not item.is_binary and types[item.name] in _BINARY_ONLY:
            detail = f"includes {quote_untrusted(item.name)}, whose {types[item.name]} comes as binary data only"
            raise misfit(CONTRACT_TYPE, "outputs", f"{detail}: set binary_data")
    return wanted
