"""Types of array elements, and which type comes of two."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Dtype(StrEnum):
    """MLX's name of each. float64 is absent: MLX computes it on processors only."""

    BOOL = "bool"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    COMPLEX64 = "complex64"

    @property
    def bytes(self) -> int:
        return _BYTES[self]

    @property
    def is_integer(self) -> bool:
        return self in INTEGERS

    @property
    def is_float(self) -> bool:
        return self in FLOATS

    @property
    def is_inexact(self) -> bool:
        return self in FLOATS or self is Dtype.COMPLEX64


_BYTES: Final = {
    Dtype.BOOL: 1,
    Dtype.UINT8: 1,
    Dtype.UINT16: 2,
    Dtype.UINT32: 4,
    Dtype.UINT64: 8,
    Dtype.INT8: 1,
    Dtype.INT16: 2,
    Dtype.INT32: 4,
    Dtype.INT64: 8,
    Dtype.FLOAT16: 2,
    Dtype.BFLOAT16: 2,
    Dtype.FLOAT32: 4,
    Dtype.COMPLEX64: 8,
}
SIGNED: Final = frozenset({Dtype.INT8, Dtype.INT16, Dtype.INT32, Dtype.INT64})
UNSIGNED: Final = frozenset({Dtype.UINT8, Dtype.UINT16, Dtype.UINT32, Dtype.UINT64})
INTEGERS: Final = SIGNED | UNSIGNED
FLOATS: Final = frozenset({Dtype.FLOAT16, Dtype.BFLOAT16, Dtype.FLOAT32})
INEXACT: Final = FLOATS | {Dtype.COMPLEX64}

_SIGNED_HOLDING: Final = {
    Dtype.UINT8: Dtype.INT16,
    Dtype.UINT16: Dtype.INT32,
    Dtype.UINT32: Dtype.INT64,
}


def promote(left: Dtype, right: Dtype) -> Dtype:
    """The type that MLX computes in when the two meet."""
    if left is right or right is Dtype.BOOL:
        return left
    if left is Dtype.BOOL:
        return right
    if Dtype.COMPLEX64 in {left, right}:
        return Dtype.COMPLEX64
    if left.is_float and right.is_float:
        return Dtype.FLOAT32
    if left.is_float or right.is_float:
        return left if left.is_float else right
    if (left in SIGNED) == (right in SIGNED):
        return left if left.bytes > right.bytes else right
    signed, unsigned = (left, right) if left in SIGNED else (right, left)
    if signed.bytes > unsigned.bytes:
        return signed
    return _SIGNED_HOLDING.get(unsigned, Dtype.FLOAT32)  # nothing holds both uint64 and a sign


def at_least_float(dtype: Dtype) -> Dtype:
    """What a function of real numbers makes of `dtype`."""
    return dtype if dtype.is_inexact else Dtype.FLOAT32
