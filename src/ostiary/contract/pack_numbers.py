"""A tensor from numbers in lists, as JSON or a program writes small ones: rectangular, of one type. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from ostiary.contract.fields import is_list, name_type
from ostiary.contract.unfit import unfit
from ostiary.core.lanes import LANES, Lane, round_half
from ostiary.core.limits import MAX_INPUT_ITEMS, MAX_TENSOR_DIMENSIONS
from ostiary.core.tensors import Tensor
from ostiary.errors import CONTRACT_RANGE, CONTRACT_SHAPE, CONTRACT_TOO_LONG, CONTRACT_TYPE

_FORMS: Final = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "BF16": "f",
    "FP32": "f",
}


def pack_numbers(value: object, datatype: str, field: str) -> Tensor:
    """`value`: a number, or lists of numbers, or lists of those. Raises ContractRefused."""
    shape = _measure(value, field)
    numbers: list[object] = []
    _collect(value, shape, numbers, field)
    lane = LANES[datatype]
    _check_types(numbers, datatype, lane, field)
    try:
        data = struct.pack(f"<{len(numbers)}{_FORMS[datatype]}", *numbers)
    except (struct.error, OverflowError) as error:
        raise unfit(CONTRACT_RANGE, field, f"holds a number that is none of {datatype}") from error
    if datatype == "BF16":
        words = memoryview(data).cast("I")
        data = struct.pack(f"<{len(words)}H", *map(round_half, words))
    return Tensor(datatype, tuple(shape), memoryview(data))


def _measure(value: object, field: str) -> list[int]:
    """The lengths along the first entries; the others are held against them."""
    shape: list[int] = []
    while isinstance(value, Sequence) and is_list(value):
        shape.append(len(value))
        if len(shape) > MAX_TENSOR_DIMENSIONS:
            raise unfit(
                CONTRACT_SHAPE, field, f"is nested deeper than {int(MAX_TENSOR_DIMENSIONS)} dimensions can be"
            )
        if not value:
            break
        value = value[0]
    return shape


def _collect(value: object, shape: Sequence[int], numbers: list[object], field: str) -> None:
    """In order, the last dimension first."""
    if not shape:
        numbers.append(value)
        return
    if not (isinstance(value, Sequence) and is_list(value)) or len(value) != shape[0]:
        raise unfit(CONTRACT_SHAPE, field, "has lists of different lengths or depths")
    if len(numbers) + len(value) > MAX_INPUT_ITEMS:
        raise unfit(CONTRACT_TOO_LONG, field, f"has more than {int(MAX_INPUT_ITEMS):,} numbers in lists")
    if len(shape) == 1:
        numbers.extend(value)
        return
    for item in value:
        _collect(item, shape[1:], numbers, field)


def _check_types(numbers: Sequence[object], datatype: str, lane: Lane, field: str) -> None:
    wanted: tuple[type, ...] = (int,)
    if datatype == "BOOL":
        wanted = (bool,)
    elif lane.kind == "float":
        wanted = (int, float)
    for kind in set(map(type, numbers)):
        if kind not in wanted:
            example = next(number for number in numbers if type(number) is kind)
            shown = "a fraction" if kind is float else name_type(example)
            raise unfit(CONTRACT_TYPE, field, f"holds {shown}, which is no {datatype}")
