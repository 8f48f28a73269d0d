"""NumPy array headers: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 and 2.

The format is refused by default (rules/formats.py); this reader describes what would be let in. The header is a
Python literal; here it is matched against the one form that NumPy and MLX write, never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_DIMENSION, MAX_NPY_HEADER_BYTES, MAX_TENSOR_BYTES, MAX_TENSOR_DIMENSIONS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules

MAGIC: Final = b"\x93NUMPY"
# Magic, version, and the longest length field.
MAX_PREFIX_BYTES: Final = 12 + MAX_NPY_HEADER_BYTES

_HEADER: Final = re.compile(
    r"\{'descr': '([<>|])([A-Za-z])([0-9]{0,4})', 'fortran_order': (True|False), "
    r"'shape': \(((?:[0-9]+, ?)*(?:[0-9]+)?)\),? ?\} *\n"
)
_OBJECT: Final = re.compile(r"'[<>|=]?O[0-9]*'")
_CALL: Final = re.compile(r"[A-Za-z_]\s*\(|\blambda\b|__")
# (kind, size) as the array protocol writes them, for what mlx 0.32.4 reads; V2 is how it writes bfloat16.
_DTYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "b1": "BOOL", "u1": "U8", "i1": "I8", "u2": "U16", "i2": "I16", "f2": "F16", "V2": "BF16",
        "u4": "U32", "i4": "I32", "f4": "F32", "u8": "U64", "i8": "I64", "f8": "F64", "c8": "C64",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What a NumPy array file declares; its bytes are exactly those of the file."""

    version: int
    dtype: str
    is_big_endian: bool
    is_fortran_order: bool
    shape: tuple[int, ...]
    data_start: int
    data_bytes: int


def parse_npy(prefix: bytes, file_bytes: int) -> NpyHeader:
    """The header in `prefix`: the first MAX_PREFIX_BYTES of a file of `file_bytes`, or all of it."""
    data = bytes(prefix[: min(len(prefix), max(file_bytes, 0), MAX_PREFIX_BYTES)])
    if not data.startswith(MAGIC):
        raise refuse(rules.NPY_MAGIC, "the file does not begin with the NumPy signature", offset=0)
    if len(data) < 12:
        raise refuse(rules.NPY_TRUNCATED, f"the file has {len(data)} bytes, the header's start needs 12")
    version = data[6]
    if version not in {1, 2} or data[7] != 0:
        raise refuse(rules.NPY_MAGIC, f"the file says it is version {version}.{data[7]}", offset=6)
    text_start = 8 + 2 * version
    text_bytes = int.from_bytes(data[8:text_start], "little")
    if text_bytes > file_bytes - text_start:
        detail = f"the header is said to have {text_bytes} bytes, {file_bytes - text_start} follow"
        raise refuse(rules.NPY_TRUNCATED, detail, offset=8)
    if text_bytes > MAX_NPY_HEADER_BYTES:
        detail = f"the header has {text_bytes} bytes, more than {MAX_NPY_HEADER_BYTES}"
        raise refuse(rules.NPY_HEADER_TOO_LARGE, detail, offset=8)
    data_start = text_start + text_bytes
    if len(data) < data_start:
        raise refuse(rules.NPY_TRUNCATED, f"{len(data)} bytes of a header of {data_start} were read")
    byte_order, letter, size, fortran, sizes = _match_header(data[text_start:data_start], text_start)
    dtype, item_bytes = _parse_dtype(letter, size)
    shape = _parse_shape(sizes)
    needed = _needed_bytes(shape, item_bytes)
    if needed != file_bytes - data_start:
        detail = f"the array needs {needed} bytes, {file_bytes - data_start} are there"
        raise refuse(rules.NPY_SIZE, detail, offset=data_start)
    is_big_endian = byte_order == ">" and item_bytes > 1
    return NpyHeader(version, dtype, is_big_endian, fortran == "True", shape, data_start, needed)


def _match_header(raw: bytes, text_start: int) -> tuple[str, str, str, str, str]:
    text = raw.decode("latin-1")
    # First, so that a pickle is called one even where the rest is odd too.
    if _OBJECT.search(text):
        raise refuse(rules.NPY_PICKLE, "the array holds Python objects, stored as a pickle", offset=text_start)
    match = _HEADER.fullmatch(text)
    if match is None:
        if _CALL.search(text):
            detail = f"the header is a Python expression: {quote_untrusted(text.strip())}"
            raise refuse(rules.NPY_EXPRESSION, detail, offset=text_start)
        detail = f"the header is not in the written form: '{quote_untrusted(text.strip())}'"
        raise refuse(rules.NPY_HEADER, detail, offset=text_start)
    byte_order, letter, size, fortran, sizes = match.groups()
    return byte_order, letter, size, fortran, sizes


def _parse_dtype(letter: str, size: str) -> tuple[str, int]:
    dtype = _DTYPES.get(letter + size)
    if dtype is None:
        raise refuse(rules.NPY_DTYPE, f"the element type is {letter}{size}, which MLX does not read")
    return dtype, int(size)


def _parse_shape(text: str) -> tuple[int, ...]:
    items = [item.strip() for item in text.split(",")]
    # (2,) ends in a comma, () is empty, and (2) is no tuple.
    if items[-1] == "":
        items.pop()
    elif len(items) == 1:
        raise refuse(rules.NPY_HEADER, "the shape is not a tuple")
    if len(items) > MAX_TENSOR_DIMENSIONS:
        detail = f"the array has {len(items)} dimensions, more than {MAX_TENSOR_DIMENSIONS}"
        raise refuse(tensor_rules.TOO_MANY_DIMENSIONS, detail)
    for item in items:
        if len(item) > 10 or int(item) > MAX_DIMENSION:
            raise refuse(
                tensor_rules.TENSOR_SHAPE, f"the size {quote_untrusted(item)} is more than {MAX_DIMENSION}"
            )
        if item[0] == "0" and item != "0":
            raise refuse(rules.NPY_HEADER, f"the size {item} begins with a zero")
    return tuple(int(item) for item in items)


def _needed_bytes(shape: tuple[int, ...], item_bytes: int) -> int:
    needed = strides = item_bytes
    for size in shape:
        needed *= size
        strides *= max(size, 1)
    if strides > MAX_TENSOR_BYTES:
        raise refuse(tensor_rules.TENSOR_SIZE_OVERFLOW, "the size of the array overflows 64 bits")
    return needed
