"""What a worker gives back as the outputs of a function, held against what has to come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.answer.read_reply import ReplyMalformed
from ostiary.core.frames import Tail
from ostiary.core.json_text import JsonValue
from ostiary.core.lanes import LANES, find_not_finite, find_outside
from ostiary.core.tensors import ITEM_BYTES, ExpectedTensor, Tensor
from ostiary.core.text import quote_untrusted
from ostiary.errors import ANSWER_NOT_FINITE, AnswerRefused

_FIELDS: Final = {"name", "datatype", "shape"}


def read_tensors(
    body: Mapping[str, JsonValue], tail: Tail, expected: tuple[ExpectedTensor, ...]
) -> dict[str, Tensor]:
    """By their names, in the order of the contract. Raises ReplyMalformed."""
    if set(body) != {"outputs"}:
        raise ReplyMalformed("outputs with other fields than they have")
    told = body["outputs"]
    if not isinstance(told, list) or len(told) != len(expected):
        raise ReplyMalformed("another number of outputs than the function has")
    data = memoryview(tail)
    data = data if data.format == "B" else data.cast("B")
    outputs: dict[str, Tensor] = {}
    start = 0
    for item, wanted in zip(told, expected, strict=True):
        _check_item(item, wanted)
        tensor = Tensor(wanted.datatype, wanted.shape, data[:0])
        end = start + tensor.elements * ITEM_BYTES[wanted.datatype]
        if end > len(data):
            raise ReplyMalformed("fewer bytes than the outputs have")
        outputs[wanted.name] = Tensor(wanted.datatype, wanted.shape, data[start:end])
        start = end
    if start != len(data):
        raise ReplyMalformed("more bytes than the outputs have")
    for name, tensor in outputs.items():
        if tensor.datatype == "BOOL" and find_outside(tensor.data, LANES["BOOL"], 0, 1) is not None:
            raise ReplyMalformed(f"an output {quote_untrusted(name)} that is neither true nor false")
    return outputs


def refuse_unsound(outputs: Mapping[str, Tensor], expected: tuple[ExpectedTensor, ...]) -> None:
    """An honest engine can compute this; the contract says that nobody gets it. Raises AnswerRefused."""
    for wanted in expected:
        name = quote_untrusted(wanted.name)
        data, lane = outputs[wanted.name].data, LANES[wanted.datatype]
        if wanted.is_finite and find_not_finite(data, lane) is not None:
            raise AnswerRefused(
                ANSWER_NOT_FINITE,
                f"the output {name} holds a number that is not finite",
                field=name,
                rule="finite",
                limit="true",
            )


def _check_item(item: JsonValue, wanted: ExpectedTensor) -> None:
    if not isinstance(item, dict) or set(item) != _FIELDS:
        raise ReplyMalformed("an output with other fields than it has")
    if item["name"] != wanted.name:
        raise ReplyMalformed("an output of another name, or out of order")
    if item["datatype"] != wanted.datatype:
        raise ReplyMalformed("an output of another datatype than the function has")
    shape = item["shape"]
    is_whole = isinstance(shape, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in shape)
    if not is_whole or shape != list(wanted.shape):
        raise ReplyMalformed("an output of another shape than its inputs make")
