"""Operations that give the same elements in another shape."""

from __future__ import annotations

import math
from itertools import pairwise

from ostiary.core.function_limits import MAX_GRAPH_SPLITS
from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_elementwise import check_dtype
from ostiary.graph.shapes import (
    broadcast_shapes,
    check_axes,
    check_axis,
    check_equal,
    check_not_empty,
    count_elements,
    render_shape,
)
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType

Types = tuple[TensorType, ...]


def infer_broadcast_to(call: Call) -> Types:
    shape = call.sizes("shape")
    if broadcast_shapes((call.shape(0), shape)) != shape:
        raise UnfitError(f"shape {render_shape(call.shape(0))} does not stretch to {render_shape(shape)}")
    return (TensorType(call.dtype(0), shape),)


def infer_reshape(call: Call) -> Types:
    shape = call.sizes("shape")
    check_equal(count_elements(call.shape(0)), count_elements(shape), "numbers of elements")
    return (TensorType(call.dtype(0), shape),)


def infer_transpose(call: Call) -> Types:
    shape, axes = call.shape(0), call.integers("axes")
    if sorted(axes) != list(range(len(shape))):
        raise UnfitError(f"axes that are no order of the {len(shape)} axes")
    return (TensorType(call.dtype(0), tuple(shape[axis] for axis in axes)),)


def infer_expand_dims(call: Call) -> Types:
    axes = call.integers("axes")
    rank = len(call.shape(0)) + len(axes)
    check_axes(axes, rank)
    rest = iter(call.shape(0))
    return (TensorType(call.dtype(0), tuple(1 if axis in axes else next(rest) for axis in range(rank))),)


def infer_squeeze(call: Call) -> Types:
    shape, axes = call.shape(0), call.integers("axes")
    for axis in check_axes(axes, len(shape)):
        check_equal(shape[axis], 1, f"axis {axis}")
    return (TensorType(call.dtype(0), tuple(size for i, size in enumerate(shape) if i not in axes)),)


def infer_slice(call: Call) -> Types:
    """As Python's range has them: with a negative step, `stop` -1 is before the first element."""
    shape = call.shape(0)
    starts, stops, steps = call.sizes("start"), call.sizes("stop"), call.integers("step")
    if not len(starts) == len(stops) == len(steps) == len(shape):
        raise UnfitError(f"start, stop and step do not each have {len(shape)} entries")
    sizes = tuple(
        _slice_axis(call, axis, (start, stop, step))
        for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True))
    )
    return (TensorType(call.dtype(0), sizes),)


def _slice_axis(call: Call, axis: int, part: tuple[Size, Size, int]) -> Size:
    size, (start, stop, step) = call.shape(0)[axis], part
    if step == 0:
        raise UnfitError(f"step 0 along axis {axis}")
    below, low, high, length = call.scope.is_surely_below, start, stop, stop - start
    if step < 0:  # from start down to stop, which is left out
        low, high, length = stop + 1, start + 1, start - stop
    if below(start, 0) or below(low, 0) or below(size, high) or below(length, 0):
        raise UnfitError(f"from {start} to {stop} by {step} does not lie within axis {axis} of size {size}")
    return (length + abs(step) - 1) // abs(step)


def infer_concatenate(call: Call) -> Types:
    first, dtype = call.shape(0), call.dtype(0)
    axis = check_axis(call.integer("axis"), len(first))
    total: Size = 0
    for item in call.inputs:
        if item.dtype is not dtype:
            raise UnfitError(f"an input is {item.dtype} and another {dtype}")
        if len(item.shape) != len(first):
            raise UnfitError("inputs have different numbers of axes")
        if item.shape[:axis] != first[:axis] or item.shape[axis + 1 :] != first[axis + 1 :]:
            raise UnfitError(
                f"shapes {render_shape(first)} and {render_shape(item.shape)} differ beside axis {axis}"
            )
        total = total + item.shape[axis]
    return (TensorType(dtype, (*first[:axis], total, *first[axis + 1 :])),)


def infer_split(call: Call) -> Types:
    shape, cuts = call.shape(0), call.sizes("at")
    axis = check_axis(call.integer("axis"), len(shape))
    if len(cuts) >= MAX_GRAPH_SPLITS:
        raise UnfitError(f"more than {int(MAX_GRAPH_SPLITS)} parts")
    ends = (0, *cuts, shape[axis])
    parts = []
    for start, stop in pairwise(ends):
        if call.scope.is_surely_below(stop, start):
            raise UnfitError(f"a part from {start} to {stop} of axis {axis}")
        parts.append(TensorType(call.dtype(0), (*shape[:axis], stop - start, *shape[axis + 1 :])))
    return tuple(parts)


def infer_pad(call: Call) -> Types:
    shape, before, after = call.shape(0), call.sizes("before"), call.sizes("after")
    if not len(shape) == len(before) == len(after):
        raise UnfitError(f"before and after do not each have {len(shape)} entries")
    if call.shape(1):
        raise UnfitError("what fills is no single element")
    if call.dtype(1) is not call.dtype(0):
        raise UnfitError(f"what fills is {call.dtype(1)} and not {call.dtype(0)}")
    sizes = tuple(one + size + two for one, size, two in zip(before, shape, after, strict=True))
    return (TensorType(call.dtype(0), sizes),)


def infer_as_strided(call: Call) -> Types:
    """Strides count elements of the input as it lies row by row."""
    shape, strides, offset = call.sizes("shape"), call.sizes("strides"), call.size("offset")
    if len(shape) != len(strides):
        raise UnfitError("shape and strides have different numbers of entries")
    elements = count_elements(call.shape(0))
    for distance in (offset, *strides):
        if call.scope.is_surely_below(elements, distance):
            raise UnfitError(f"a distance of {distance} in an array of {elements} elements")
    last: Size = offset
    for size, stride in zip(shape, strides, strict=True):
        if size == 0:
            return (TensorType(call.dtype(0), shape),)
        last = last + (size - 1) * stride
    if call.scope.is_surely_below(elements - 1, last):
        raise UnfitError(f"element {last} of {elements} would be read")
    return (TensorType(call.dtype(0), shape),)


def infer_arange(call: Call) -> Types:
    dtype = call.element_type("dtype")
    if dtype in {Dtype.BOOL, Dtype.COMPLEX64}:
        raise UnfitError(f"numbers in a row as {dtype}")
    for name in ("start", "step"):
        number = call.number(name)
        if not math.isfinite(number):
            raise UnfitError(f"{name} is not finite")
        if dtype.is_integer and (not number.is_integer() or abs(number) > _MAX_EXACT):
            raise UnfitError(f"{name} is no whole number that {dtype} holds exactly")
    if call.number("step") == 0.0:
        raise UnfitError("step is 0")
    return (TensorType(dtype, (call.size("size"),)),)


_MAX_EXACT = 1 << 53


def infer_number_of_elements(call: Call) -> Types:
    shape, dtype = call.shape(0), call.element_type("dtype")
    if call.integers("axes"):
        check_axes(call.integers("axes"), len(shape))
    if dtype is Dtype.BOOL or (call.flag("inverted") and not dtype.is_inexact):
        raise UnfitError(f"a number of elements as {dtype}")
    if call.flag("inverted"):
        for axis in call.integers("axes"):
            check_not_empty(shape[axis], f"axis {axis}")
    return (TensorType(dtype, ()),)


def infer_size_value(call: Call) -> Types:
    dtype = call.element_type("dtype")
    check_dtype(dtype, frozenset(Dtype) - {Dtype.BOOL, Dtype.COMPLEX64}, "the result")
    return (TensorType(dtype, ()),)
