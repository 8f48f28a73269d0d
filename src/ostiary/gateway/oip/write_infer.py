"""What a function gave, as JSON with binary data behind it. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from ostiary.core.limits import MAX_BODY_VALUES
from ostiary.core.tensors import Tensor
from ostiary.core.text import quote_untrusted
from ostiary.errors import ANSWER_NOT_FINITE, CONTRACT_TOO_LONG, AnswerRefused, ContractRefused
from ostiary.gateway.oip.forms import GivenParameters, InferAnswer, InferOutput
from ostiary.gateway.oip.read_infer import HEADER_LENGTH, InferRequest
from ostiary.gateway.openapi import BINARY
from ostiary.gateway.reply import BytesReply, Reply

_FORMS: Final[Mapping[str, str]] = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP32": "f",
}


def write_infer(name: str, version: str, request: InferRequest, outputs: Mapping[str, Tensor]) -> Reply:
    """Raises ContractRefused where numbers are too many for JSON, AnswerRefused where JSON cannot write one."""
    told: list[InferOutput] = []
    parts: list[memoryview] = []
    for wanted in request.wanted:
        tensor = outputs[wanted.name]
        shape = [*tensor.shape]
        if wanted.is_binary:
            size = GivenParameters(len(tensor.data))
            told.append(InferOutput(wanted.name, tensor.datatype, shape, parameters=size))
            parts.append(tensor.data)
        else:
            told.append(InferOutput(wanted.name, tensor.datatype, shape, data=_list_numbers(wanted.name, tensor)))
    header = msgspec.json.encode(InferAnswer(name, version, told, request.id))
    if not parts:
        return BytesReply(header, "application/json")
    return BytesReply(header, BINARY, headers=((HEADER_LENGTH, str(len(header))),), more=tuple(parts))


def _list_numbers(name: str, tensor: Tensor) -> list[bool | int | float]:
    shown = quote_untrusted(name)
    if tensor.elements > MAX_BODY_VALUES:
        raise ContractRefused(
            CONTRACT_TOO_LONG,
            f"outputs: {shown} has {tensor.elements:,} numbers, in JSON there may be {int(MAX_BODY_VALUES):,}: "
            "ask for binary_data",
            field="outputs",
        )
    numbers = struct.unpack(f"<{tensor.elements}{_FORMS[tensor.datatype]}", tensor.data)
    if tensor.datatype == "FP32" and not all(map(math.isfinite, numbers)):
        raise AnswerRefused(
            ANSWER_NOT_FINITE,
            f"the output {shown} holds a number that JSON cannot write: ask for binary_data",
            field=shown,
        )
    return [*numbers]
