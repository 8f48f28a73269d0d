"""Products of matrices, convolutions and what else multiplies and adds."""

from __future__ import annotations

from typing import Final

from ostiary.core.limits import MAX_DIMENSION
from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import FLOATS, INEXACT, Dtype, promote
from ostiary.graph.infer_elementwise import check_dtype
from ostiary.graph.shapes import (
    Shape,
    broadcast_shapes,
    check_equal,
    check_not_empty,
    check_rank,
    check_static,
    count_elements,
    render_shape,
)
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType

Types = tuple[TensorType, ...]
_MATRIX: Final = 2


def infer_matmul(call: Call) -> Types:
    """An array of one axis is a row on the left and a column on the right."""
    check_rank(call, 0, 1)
    check_rank(call, 1, 1)
    dtype = _result_type(call, 2, INEXACT)
    return (TensorType(dtype, multiply_shapes(call.shape(0), call.shape(1))),)


def infer_addmm(call: Call) -> Types:
    check_rank(call, 0, 1)
    check_rank(call, 1, 1)
    dtype = _result_type(call, 3, FLOATS)
    shape = multiply_shapes(call.shape(0), call.shape(1))
    if broadcast_shapes((call.shape(2), shape)) != shape:
        raise UnfitError(f"what is added, {render_shape(call.shape(2))}, does not stretch to {render_shape(shape)}")
    return (TensorType(dtype, shape),)


def infer_gather_mm(call: Call) -> Types:
    """Indices choose among the matrices of each side, numbered along the axes before the last two."""
    check_rank(call, 0, _MATRIX)
    check_rank(call, 1, _MATRIX)
    left, right = call.shape(0), call.shape(1)
    check_equal(left[-1], right[-2], "sizes that are summed over")
    check_not_empty(left[-1], "the axis that is summed over")
    dtype = _result_type(call, 2, FLOATS)
    return (TensorType(dtype, (*check_choices(call, 2, 3), left[-2], right[-1])),)


def check_choices(call: Call, left: int, right: int) -> Shape:
    """The shape of two inputs that choose matrices."""
    for position in (left, right):
        check_dtype(call.dtype(position), {Dtype.UINT32}, f"input {position}")
    if call.shape(left) != call.shape(right):
        raise UnfitError("the two inputs that choose have different shapes")
    for position in (0, 1):
        check_not_empty(count_elements(call.shape(position)[:-2]), f"input {position}")
    return call.shape(left)


def multiply_shapes(left: Shape, right: Shape) -> Shape:
    """The shape of a product of matrices, as many times as the axes in front say."""
    rows = left if len(left) > 1 else (1, *left)
    columns = right if len(right) > 1 else (*right, 1)
    check_equal(rows[-1], columns[-2], "sizes that are summed over")
    check_not_empty(rows[-1], "the axis that is summed over")
    front = broadcast_shapes((rows[:-2], columns[:-2]))
    return (*front, *rows[-2:-1][: len(left) - 1], *columns[-1:][: len(right) - 1])


def _result_type(call: Call, inputs: int, allowed: frozenset[Dtype]) -> Dtype:
    dtype = call.dtype(0)
    for position in range(inputs):
        check_dtype(call.dtype(position), allowed, f"input {position}")
        dtype = promote(dtype, call.dtype(position))
    return dtype


def infer_convolution(call: Call) -> Types:
    """The input has its channels last, the weights are [channels out, window..., channels in of a group]."""
    axes = check_rank(call, 0, 3, 5) - 2
    check_rank(call, 1, axes + 2, axes + 2)
    data, weights = call.shape(0), call.shape(1)
    groups = call.integer("groups")
    taken, given = check_static(data[-1], "the number of channels"), check_static(weights[0], "channels out")
    if not taken or not given or taken % groups or given % groups:
        raise UnfitError(f"{taken} channels in and {given} out do not fall into {groups} groups")
    if groups > 1 and axes > _MOST_GROUPED_AXES:
        raise UnfitError("windows of three axes have no groups")
    check_equal(weights[-1] * groups, taken, "channels in of weights and input")
    names = ("stride", "padding_low", "padding_high", "kernel_dilation", "input_dilation")
    for name in names:
        if len(call.integers(name)) != axes:
            raise UnfitError(f"{name} does not have {axes} entries")
    sizes = tuple(_slide(call, axis, data[axis + 1], weights[axis + 1]) for axis in range(axes))
    check_not_empty(data[0], "the batch")
    return (TensorType(_result_type(call, 2, FLOATS), (data[0], *sizes, given)),)


_MOST_GROUPED_AXES: Final = 2


def _slide(call: Call, axis: int, size: Size, window: Size) -> Size:
    """How often a window fits along one axis."""
    check_not_empty(size, f"axis {axis + 1} of the input")
    check_not_empty(window, f"axis {axis + 1} of the window")
    spread = (size - 1) * call.integers("input_dilation")[axis] + 1
    padded = spread + call.integers("padding_low")[axis] + call.integers("padding_high")[axis]
    reach = (window - 1) * call.integers("kernel_dilation")[axis] + 1
    for distance in (padded, reach):
        if call.scope.is_surely_below(MAX_DIMENSION, distance):  # engines count in 32 bits along one axis
            raise UnfitError(f"axis {axis + 1} spreads over {distance}, more than {int(MAX_DIMENSION)}")
    if call.scope.is_surely_below(padded, reach):
        raise UnfitError(f"a window that reaches over {reach} does not fit into {padded}")
    return (padded - reach) // call.integers("stride")[axis] + 1


def infer_hadamard(call: Call) -> Types:
    """MLX knows the transform for sizes that are a power of two, by 1, 12, 20 or 28."""
    check_rank(call, 0, 1)
    check_dtype(call.dtype(0), FLOATS)
    size = check_static(call.shape(0)[-1], "the last axis")
    factors = (size // factor for factor in (1, 12, 20, 28) if size % factor == 0)
    if size == 0 or not any(power & (power - 1) == 0 for power in factors):
        raise UnfitError(f"the last axis has {size} elements: no power of two, by 1, 12, 20 or 28")
    return (TensorType(call.dtype(0), call.shape(0)),)


def infer_fft(call: Call) -> Types:
    """Along `axes`, the last of which has the size `n` afterwards."""
    shape, axes, size = call.shape(0), call.integers("axes"), call.size("n")
    if not axes or len(set(axes)) != len(axes) or any(axis >= len(shape) for axis in axes):
        raise UnfitError(f"axes that are not some of the {len(shape)} axes, each once")
    for axis in axes:
        check_not_empty(shape[axis], f"axis {axis}")
    last = shape[axes[-1]]
    check_not_empty(size, "the result")
    is_real, is_inverse = call.flag("real"), call.flag("inverse")
    if is_real and not is_inverse:
        check_equal(last // 2 + 1, size, "sizes of the last axis afterwards")
    elif is_real:
        check_equal(last, size // 2 + 1, "sizes of the last axis")
    else:
        check_equal(last, size, "sizes of the last axis")
    before = Dtype.FLOAT32 if is_real and not is_inverse else Dtype.COMPLEX64
    check_dtype(call.dtype(0), {before})
    after = Dtype.FLOAT32 if is_real and is_inverse else Dtype.COMPLEX64
    return (TensorType(after, tuple(size if i == axes[-1] else old for i, old in enumerate(shape))),)
