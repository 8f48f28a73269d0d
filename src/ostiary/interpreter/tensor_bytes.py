"""Arrays from bytes and back. One copy on the way in, none on the way out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.core.frames import Tail
from ostiary.graph.dtypes import Dtype
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType

MLX_DTYPES: Final[Mapping[Dtype, mx.Dtype]] = {
    Dtype.BOOL: mx.bool_,
    Dtype.UINT8: mx.uint8,
    Dtype.UINT16: mx.uint16,
    Dtype.UINT32: mx.uint32,
    Dtype.UINT64: mx.uint64,
    Dtype.INT8: mx.int8,
    Dtype.INT16: mx.int16,
    Dtype.INT32: mx.int32,
    Dtype.INT64: mx.int64,
    Dtype.FLOAT16: mx.float16,
    Dtype.BFLOAT16: mx.bfloat16,
    Dtype.FLOAT32: mx.float32,
    Dtype.COMPLEX64: mx.complex64,
}
_CODES: Final = {
    Dtype.BOOL: "B",
    Dtype.UINT8: "B",
    Dtype.UINT16: "H",
    Dtype.UINT32: "I",
    Dtype.UINT64: "Q",
    Dtype.INT8: "b",
    Dtype.INT16: "h",
    Dtype.INT32: "i",
    Dtype.INT64: "q",
    Dtype.FLOAT16: "H",
    Dtype.BFLOAT16: "H",
    Dtype.FLOAT32: "f",
}
"""How Python calls numbers of that width. Where it has no such numbers: others as wide, to be looked at anew."""


def array_from_bytes(data: Tail, dtype: Dtype, shape: Sequence[int]) -> mx.array:
    """`data` holds exactly so many numbers, little-endian and row by row."""
    if not len(data):
        return mx.zeros(tuple(shape), MLX_DTYPES[dtype])
    view = memoryview(data).cast("B")
    numbers: Any
    if dtype is Dtype.COMPLEX64:
        numbers = view.cast("f")
        pairs = mx.array(numbers)
        return mx.reshape(mx.view(pairs, mx.complex64), tuple(shape))
    code: Any = _CODES[dtype]
    numbers = view.cast(code, list(shape)) if shape else view.cast(code)
    array = mx.array(numbers)
    if not shape:
        array = mx.reshape(array, ())
    if dtype is Dtype.BOOL:
        return clean_bool(array)
    if dtype in {Dtype.FLOAT16, Dtype.BFLOAT16}:
        return mx.view(array, MLX_DTYPES[dtype])
    return array


def clean_bool(array: mx.array) -> mx.array:
    """Bytes as truth values. A byte that is neither 0 nor 1 would count as itself in MLX's sums."""
    return mx.not_equal(mx.view(array, mx.uint8), mx.array(0, mx.uint8))


def view_bytes(array: mx.array) -> memoryview:
    """The bytes of an array, row by row; a copy only where they do not lie so. Computes it where it was not yet."""
    if not array.size:
        return memoryview(b"")
    if array.dtype in {mx.float16, mx.bfloat16}:
        array = mx.view(array, mx.uint16)
    elif array.dtype == mx.complex64:
        array = mx.view(mx.reshape(array, (-1,)), mx.float32)
    elif array.dtype == mx.bool_:
        array = mx.view(array, mx.uint8)
    buffer: Any = array  # its stubs do not say that it is one
    view = memoryview(buffer)
    if not view.c_contiguous:
        buffer = mx.contiguous(array)
        view = memoryview(buffer)
    return view.cast("B")


def count_bytes(item: TensorType) -> int:
    """Of an array whose sizes are known."""
    return math.prod(read_shape(item.shape)) * item.dtype.bytes


def read_shape(shape: Sequence[Size]) -> tuple[int, ...]:
    """Sizes that are numbers by now."""
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) != len(shape):
        raise TypeError("a size is not bound")
    return sizes
