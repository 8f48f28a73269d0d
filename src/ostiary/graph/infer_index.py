"""Operations whose inputs say where to read or write."""

from __future__ import annotations

from collections.abc import Callable

from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import INTEGERS, UNSIGNED, Dtype
from ostiary.graph.infer_elementwise import check_dtype
from ostiary.graph.infer_shape import infer_slice
from ostiary.graph.primitive import IndexBound
from ostiary.graph.shapes import (
    Shape,
    broadcast_shapes,
    check_axes,
    check_axis,
    check_not_empty,
    check_rank,
    count_elements,
    render_shape,
)
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType

Types = tuple[TensorType, ...]


def infer_take(call: Call) -> Types:
    shape = call.shape(0)
    axis = check_axis(call.integer("axis"), len(shape))
    _check_index(call, 1, shape[axis])
    return (TensorType(call.dtype(0), (*shape[:axis], *call.shape(1), *shape[axis + 1 :])),)


def infer_take_along_axis(call: Call) -> Types:
    shape = call.shape(0)
    axis = check_axis(call.integer("axis"), len(shape))
    _check_index(call, 1, shape[axis])
    _check_beside(shape, call.shape(1), axis)
    return (TensorType(call.dtype(0), call.shape(1)),)


def infer_put_along_axis(call: Call) -> Types:
    shape = call.shape(0)
    axis = check_axis(call.integer("axis"), len(shape))
    _check_index(call, 1, shape[axis])
    _check_beside(shape, call.shape(1), axis)
    _check_update(call, 2, call.shape(1))
    return (call.inputs[0],)


def infer_gather(call: Call) -> Types:
    """The result has the axes of the indices, then those of x, of size 1 where an index has chosen."""
    shape = call.shape(0)
    axes = _check_indexed_axes(call, len(call.inputs) - 1)
    front = broadcast_shapes(item.shape for item in call.inputs[1:])
    return (TensorType(call.dtype(0), (*front, *_spare(shape, axes))),)


def infer_scatter(call: Call) -> Types:
    shape = call.shape(0)
    axes = _check_indexed_axes(call, len(call.inputs) - 2)
    front = broadcast_shapes(item.shape for item in call.inputs[1:-1])
    _check_update(call, len(call.inputs) - 1, (*front, *_spare(shape, axes)))
    return (call.inputs[0],)


def infer_slice_update(call: Call) -> Types:
    (part,) = infer_slice(call)
    if broadcast_shapes((call.shape(1), part.shape)) != part.shape:
        raise UnfitError(f"shape {render_shape(call.shape(1))} does not stretch to {render_shape(part.shape)}")
    _check_update(call, 1, call.shape(1))
    return (call.inputs[0],)


def infer_dynamic_slice(call: Call) -> Types:
    sizes = call.sizes("sizes")
    _check_window(call, sizes)
    _check_starts(call, 1)
    return (TensorType(call.dtype(0), sizes),)


def infer_dynamic_slice_update(call: Call) -> Types:
    _check_window(call, call.shape(1))
    _check_update(call, 1, call.shape(1))
    _check_starts(call, 2)
    return (call.inputs[0],)


def infer_masked_scatter(call: Call) -> Types:
    """Along the first axis, each row takes as many values as its mask is true, in order, from the row of values."""
    rank = check_rank(call, 0, 2)
    check_dtype(call.dtype(1), {Dtype.BOOL}, "the mask")
    if call.shape(1) != call.shape(0):
        raise UnfitError("the mask has another shape than the array")
    check_rank(call, 2, 2, 2)
    _check_update(call, 2, (call.shape(0)[0], call.shape(2)[1]))
    check_not_empty(call.shape(2)[1], "what the mask chooses from")
    return (TensorType(call.dtype(0), call.shape(0)[:rank]),)


def infer_searchsorted(call: Call) -> Types:
    """Where each value belongs: from 0 to the size of the sequence, whether that is in order or not."""
    check_rank(call, 0, 1, 1)
    return (TensorType(Dtype.UINT32, call.shape(1)),)


def _check_index(call: Call, position: int, size: Size) -> None:
    check_dtype(call.dtype(position), INTEGERS, f"input {position}, which holds indices,")
    check_not_empty(size, "the axis that indices point into")


def _check_indexed_axes(call: Call, indices: int) -> tuple[int, ...]:
    axes = check_axes(call.integers("axes"), len(call.shape(0)))
    if len(axes) != indices:
        raise UnfitError(f"{len(axes)} axes and {indices} arrays of indices")
    for position, axis in enumerate(axes, 1):
        _check_index(call, position, call.shape(0)[axis])
    return axes


def _spare(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def _check_beside(shape: Shape, indices: Shape, axis: int) -> None:
    if len(shape) != len(indices) or shape[:axis] != indices[:axis] or shape[axis + 1 :] != indices[axis + 1 :]:
        raise UnfitError(f"shapes {render_shape(shape)} and {render_shape(indices)} differ beside axis {axis}")


def _check_update(call: Call, position: int, shape: Shape) -> None:
    if call.shape(position) != shape:
        raise UnfitError(
            f"input {position} has shape {render_shape(call.shape(position))} instead of {render_shape(shape)}"
        )
    if call.dtype(position) is not call.dtype(0):
        raise UnfitError(f"input {position} is {call.dtype(position)} and input 0 is {call.dtype(0)}")


def _check_window(call: Call, sizes: Shape) -> None:
    shape = call.shape(0)
    if len(sizes) != len(shape):
        raise UnfitError(f"{len(sizes)} sizes for {len(shape)} axes")
    for axis, (whole, part) in enumerate(zip(shape, sizes, strict=True)):
        if call.scope.is_surely_below(whole, part):
            raise UnfitError(f"a part of {part} does not lie within axis {axis} of size {whole}")


def _check_starts(call: Call, position: int) -> None:
    axes = check_axes(call.integers("axes"), len(call.shape(0)))
    check_dtype(call.dtype(position), INTEGERS, f"input {position}, which holds indices,")
    if call.shape(position) != (len(axes),):
        raise UnfitError(f"{len(axes)} axes and starts of shape {render_shape(call.shape(position))}")


def _bound(call: Call, position: int, size: Size) -> IndexBound:
    """An index below zero counts from the end."""
    lowest = 0 if call.dtype(position) in UNSIGNED else -size
    return IndexBound(position, (lowest,), (size - 1,))


def bound_along_axis(call: Call) -> tuple[IndexBound, ...]:
    return (_bound(call, 1, call.shape(0)[call.integer("axis")]),)


def bound_axes(call: Call) -> tuple[IndexBound, ...]:
    return tuple(
        _bound(call, position, call.shape(0)[axis]) for position, axis in enumerate(call.integers("axes"), 1)
    )


def bound_dynamic_slice(call: Call) -> tuple[IndexBound, ...]:
    return _bound_starts(call, 1, call.sizes("sizes"))


def bound_dynamic_slice_update(call: Call) -> tuple[IndexBound, ...]:
    return _bound_starts(call, 2, call.shape(1))


def _bound_starts(call: Call, position: int, sizes: Shape) -> tuple[IndexBound, ...]:
    axes = call.integers("axes")
    highest = tuple(call.shape(0)[axis] - sizes[axis] for axis in axes)
    return (IndexBound(position, (0,) * len(axes), highest),)


def bound_choices(left: int, right: int) -> Callable[[Call], tuple[IndexBound, ...]]:
    """Of inputs that choose among the matrices of inputs 0 and 1."""

    def bound(call: Call) -> tuple[IndexBound, ...]:
        return tuple(
            IndexBound(position, (0,), (count_elements(call.shape(of)[:-2]) - 1,))
            for position, of in ((left, 0), (right, 1))
        )

    return bound
