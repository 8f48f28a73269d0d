"""Operations along axes: sums and their like, orders, running sums."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import SIGNED, UNSIGNED, Dtype, at_least_float
from ostiary.graph.primitive import Infer
from ostiary.graph.shapes import check_axes, check_axis, check_not_empty, check_rank
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType

_ANY: Final = frozenset(Dtype)
Types = tuple[TensorType, ...]


def total_of(dtype: Dtype) -> Dtype:
    """The type of a sum: integers below 32 bits are added up in 32."""
    if dtype is Dtype.BOOL or (dtype in SIGNED and dtype.bytes < Dtype.INT32.bytes):
        return Dtype.INT32
    return Dtype.UINT32 if dtype in UNSIGNED and dtype.bytes < Dtype.UINT32.bytes else dtype


def running_sum_of(dtype: Dtype) -> Dtype:
    """The type of a running sum: only booleans become numbers."""
    return Dtype.INT32 if dtype is Dtype.BOOL else dtype


def same(dtype: Dtype) -> Dtype:
    return dtype


def boolean(_dtype: Dtype) -> Dtype:
    return Dtype.BOOL


def reduce_axes(rule: Callable[[Dtype], Dtype]) -> Infer:
    """The rule of an operation that makes one element of all along `axes`."""

    def infer(call: Call) -> Types:
        shape, axes = call.shape(0), check_axes(call.integers("axes"), len(call.shape(0)))
        for axis in axes:
            check_not_empty(shape[axis], f"axis {axis}, along which it works,")
        sizes = _reduce(shape, axes, keepdims=call.flag("keepdims"))
        return (TensorType(rule(call.dtype(0)), sizes),)

    return infer


def infer_arg_reduce(call: Call) -> Types:
    shape = call.shape(0)
    axis = check_axis(call.integer("axis"), len(shape))
    check_not_empty(shape[axis], f"axis {axis}, along which it works,")
    return (TensorType(Dtype.UINT32, _reduce(shape, (axis,), keepdims=call.flag("keepdims"))),)


def _reduce(shape: tuple[Size, ...], axes: Collection[int], *, keepdims: bool) -> tuple[Size, ...]:
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def along_axis(rule: Callable[[Dtype], Dtype]) -> Infer:
    """The rule of an operation along one axis that keeps the shape."""

    def infer(call: Call) -> Types:
        shape = call.shape(0)
        axis = check_axis(call.integer("axis"), len(shape))
        check_not_empty(shape[axis], f"axis {axis}, along which it works,")
        if "kth" in call.attributes and not 0 <= call.integer("kth") < _lowest_end(call, shape[axis]):
            raise UnfitError(f"element {call.integer('kth')} of axis {axis} of size {shape[axis]}")
        return (TensorType(rule(call.dtype(0)), shape),)

    return infer


def _lowest_end(call: Call, size: Size) -> int:
    """A number that `size` surely does not reach, or a great one: a call's own sizes decide."""
    if isinstance(size, int):
        return size
    highest = call.scope.bound(size)[1]
    return _GREAT if highest is None else highest


_GREAT: Final = 1 << 62


def positions(_dtype: Dtype) -> Dtype:
    return Dtype.UINT32


def infer_softmax(call: Call) -> Types:
    check_rank(call, 0, 1)
    check_not_empty(call.shape(0)[-1], "the last axis")
    return (TensorType(at_least_float(call.dtype(0)), call.shape(0)),)


def infer_logsumexp(call: Call) -> Types:
    check_rank(call, 0, 1)
    check_not_empty(call.shape(0)[-1], "the last axis")
    return (TensorType(at_least_float(call.dtype(0)), (*call.shape(0)[:-1], 1)),)
