"""NumPy array files as inputs and outputs: read strictly, written plainly, without NumPy.

The header is a Python literal. NumPy evaluates it; here it has to be of the one form that NumPy writes
(intake/weights/read_npy.py), so that a file is data and nothing else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final, Literal

from ostiary.core.findings import refusal_of
from ostiary.core.limits import MAX_FRAME_TAIL_BYTES
from ostiary.core.tensors import ITEM_BYTES, Tensor
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import USAGE, IntakeRefused, Misuse
from ostiary.intake.weights.read_npy import MAX_PREFIX_BYTES, NpyHeader, parse_npy

_NAMES: Final = {
    "BOOL": "BOOL",
    "U8": "UINT8",
    "U16": "UINT16",
    "U32": "UINT32",
    "U64": "UINT64",
    "I8": "INT8",
    "I16": "INT16",
    "I32": "INT32",
    "I64": "INT64",
    "F16": "FP16",
    "BF16": "BF16",
    "F32": "FP32",
    "F64": "FP64",
}
_DESCRIPTIONS: Final = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
}
_WORDS: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_ALIGNMENT: Final = 64
_SAVE_AGAIN: Final = "Save the array again, as plain numbers: numpy.save(path, array, allow_pickle=False)."


def read_npy_file(path: Path) -> Tensor:
    """Raises Misuse where there is no such file, IntakeRefused where it is not an array of numbers."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FRAME_TAIL_BYTES + MAX_PREFIX_BYTES:
                most = int(MAX_FRAME_TAIL_BYTES)
                raise Misuse(USAGE, f"{_show(path)} has {size:,} bytes; inputs have {most:,} at most")
            data = file.read(size)
    except OSError as error:
        raise Misuse(USAGE, f"{_show(path)} cannot be read: {explain_os_error(error)}") from error
    try:
        return parse_npy_tensor(data)
    except IntakeRefused as refusal:
        named = [
            replace(finding, path=path.name, rule=replace(finding.rule, hint=_SAVE_AGAIN))
            for finding in refusal.findings
        ]  # nobody published it: what helps with a model does not help here
        raise refusal_of(*named) from refusal


def parse_npy_tensor(data: bytes) -> Tensor:
    """A whole file. Raises IntakeRefused."""
    header = parse_npy(data[:MAX_PREFIX_BYTES], len(data))
    name = _NAMES.get(header.dtype, header.dtype)
    item = ITEM_BYTES.get(name, 8)
    rows = memoryview(data)[header.data_start :]
    if header.is_big_endian:
        rows = _swap(rows, item)
    if header.is_fortran_order and len(rows) > item:  # of none or one there is no order
        rows = _order(rows, header, item)
    return Tensor(name, header.shape, rows)


def render_npy(tensor: Tensor) -> list[bytes | memoryview]:
    """The parts of a file, version 1. What NumPy has no name for is written as FP32, which holds it exactly."""
    data = tensor.data
    name = tensor.datatype
    if name == "BF16":
        name, data = "FP32", widen_bf16(data)
    sizes = "".join(f"{size}, " for size in tensor.shape)
    sizes = sizes if len(tensor.shape) == 1 else sizes.removesuffix(", ")
    text = f"{{'descr': '{_DESCRIPTIONS[name]}', 'fortran_order': False, 'shape': ({sizes.strip()}), }}"
    padding = -(10 + len(text) + 1) % _ALIGNMENT
    header = f"{text}{' ' * padding}\n".encode("ascii")
    return [b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header, data]


def widen_bf16(data: memoryview) -> memoryview:
    """As FP32: a number of 16 bits is the upper half of one of 32."""
    wide = bytearray(2 * len(data))
    wide[2::4] = data[0::2]
    wide[3::4] = data[1::2]
    return memoryview(wide)


def _swap(data: memoryview, item: int) -> memoryview:
    swapped = bytearray(len(data))
    for place in range(item):
        swapped[place::item] = data[item - 1 - place :: item]
    return memoryview(swapped)


def _order(data: memoryview, header: NpyHeader, item: int) -> memoryview:
    """From columns first to rows first: line by line along the longest axis, so that there are few lines."""
    code = _WORDS[item]
    words = data.cast(code)
    ordered = memoryview(bytearray(len(data)))
    if not len(data):
        return ordered
    target, shape = ordered.cast(code), header.shape
    along = max(range(len(shape)), key=lambda axis: shape[axis])
    columns = [math.prod(shape[:axis]) for axis in range(len(shape))]
    rows = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    others = [axis for axis in range(len(shape)) if axis != along]
    for place in product(*(range(shape[axis]) for axis in others)):
        source = sum(at * columns[axis] for at, axis in zip(place, others, strict=True))
        start = sum(at * rows[axis] for at, axis in zip(place, others, strict=True))
        target[start :: rows[along]][: shape[along]] = words[source :: columns[along]][: shape[along]]
    return ordered


def _show(path: Path) -> str:
    return quote_untrusted(path.name)
