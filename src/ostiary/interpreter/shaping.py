"""Calls to MLX that give the same elements in another shape, or elements from sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.dtypes import Dtype
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, array_from_bytes, read_shape

Types = tuple[TensorType, ...]


def _make_broadcast_to(call: Call, _outputs: Types) -> Run:
    shape = read_shape(call.sizes("shape"))
    return lambda x: mx.broadcast_to(x, shape)


def _make_reshape(call: Call, _outputs: Types) -> Run:
    shape = read_shape(call.sizes("shape"))
    return lambda x: mx.reshape(x, shape)


def _make_transpose(call: Call, _outputs: Types) -> Run:
    axes = call.integers("axes")
    return lambda x: mx.transpose(x, axes)


def _make_expand_dims(call: Call, _outputs: Types) -> Run:
    axes = call.integers("axes")
    return lambda x: mx.expand_dims(x, axes)


def _make_squeeze(call: Call, _outputs: Types) -> Run:
    axes = call.integers("axes")
    return lambda x: mx.squeeze(x, axes)


def _make_slice(call: Call, _outputs: Types) -> Run:
    starts, stops = read_shape(call.sizes("start")), read_shape(call.sizes("stop"))
    slices = tuple(
        slice(start, None if stop < 0 else stop, step)
        for start, stop, step in zip(starts, stops, call.integers("step"), strict=True)
    )
    return lambda x: x[slices]


def _make_concatenate(call: Call, _outputs: Types) -> Run:
    axis = call.integer("axis")
    return lambda *parts: mx.concatenate(list(parts), axis)


def _make_split(call: Call, _outputs: Types) -> Run:
    cuts, axis = list(read_shape(call.sizes("at"))), call.integer("axis")
    if not cuts:
        return lambda x: x
    return lambda x: mx.split(x, cuts, axis)


def _make_pad(call: Call, _outputs: Types) -> Run:
    widths = list(zip(read_shape(call.sizes("before")), read_shape(call.sizes("after")), strict=True))
    if not any(before or after for before, after in widths):
        return lambda x, _fill: x
    return lambda x, fill: mx.pad(x, widths, constant_values=fill)


def _make_as_strided(call: Call, _outputs: Types) -> Run:
    shape, strides = read_shape(call.sizes("shape")), read_shape(call.sizes("strides"))
    (offset,) = read_shape((call.size("offset"),))
    return lambda x: mx.as_strided(mx.contiguous(x), shape, strides, offset)  # MLX reads only such


def _make_arange(call: Call, _outputs: Types) -> Run:
    """MLX counts the numbers itself: half a step less than the end leaves no doubt how many there are."""
    (size,) = read_shape((call.size("size"),))
    start, step = call.number("start"), call.number("step")
    return partial(mx.arange, start, start + (size - 0.5) * step, step, MLX_DTYPES[call.element_type("dtype")])


def _make_number_of_elements(call: Call, _outputs: Types) -> Run:
    number = math.prod(read_shape(tuple(call.shape(0)[axis] for axis in call.integers("axes"))))
    value = write_number(1 / number if call.flag("inverted") else number, call.element_type("dtype"))
    return lambda _x: value


def _make_size_value(call: Call, _outputs: Types) -> Run:
    (size,) = read_shape((call.size("size"),))
    value = write_number(size, call.element_type("dtype"))
    return lambda: value


def write_number(number: float, dtype: Dtype) -> mx.array:
    """One number without axes. Integers that are too great lose their upper bits, as in MLX."""
    if isinstance(number, int) and dtype.is_integer:
        wrapped = number & ((1 << dtype.bytes * 8) - 1)
        return array_from_bytes(wrapped.to_bytes(dtype.bytes, "little"), dtype, ())
    return mx.array(float(number), MLX_DTYPES[dtype])


SHAPING: Final[Mapping[str, Make]] = {
    "broadcast_to": _make_broadcast_to,
    "reshape": _make_reshape,
    "transpose": _make_transpose,
    "expand_dims": _make_expand_dims,
    "squeeze": _make_squeeze,
    "slice": _make_slice,
    "concatenate": _make_concatenate,
    "split": _make_split,
    "pad": _make_pad,
    "as_strided": _make_as_strided,
    "arange": _make_arange,
    "number_of_elements": _make_number_of_elements,
    "size_value": _make_size_value,
}
