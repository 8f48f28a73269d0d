"""Rules on shapes that many primitives share."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.graph.call import Call, UnfitError
from ostiary.graph.sizes import Size, multiply_sizes

Shape = tuple[Size, ...]


def render_shape(shape: Shape) -> str:
    """For messages, cut short."""
    if len(shape) > _MAX_SHOWN_AXES:
        return f"{len(shape)} axes"
    return "[" + ",".join(str(size) for size in shape) + "]"


_MAX_SHOWN_AXES = 8


def broadcast_shapes(shapes: Iterable[Shape]) -> Shape:
    """The shape that all of `shapes` stretch to: axes of size 1 repeat, missing ones in front are added."""
    result: Shape = ()
    for shape in shapes:
        if shape != result:
            result = _broadcast_two(result, shape)
    return result


def _broadcast_two(left: Shape, right: Shape) -> Shape:
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    front = len(longer) - len(shorter)
    result = list(longer[:front])
    for one, other in zip(longer[front:], shorter, strict=True):
        if one not in {other, 1} and other != 1:
            raise UnfitError(f"shapes {render_shape(left)} and {render_shape(right)} do not go together")
        result.append(other if one == 1 else one)
    return tuple(result)


def check_axis(axis: int, rank: int) -> int:
    """`axis` itself, of an array with `rank` axes."""
    if not 0 <= axis < rank:
        raise UnfitError(f"axis {axis} of an array with {rank} axes")
    return axis


def check_axes(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """`axes` themselves: at least one, ascending, each once."""
    if not axes:
        raise UnfitError("no axis is named")
    previous = -1
    for axis in axes:
        if axis <= previous:
            raise UnfitError("axes are not in ascending order")
        previous = check_axis(axis, rank)
    return axes


def check_rank(call: Call, position: int, lowest: int, highest: int | None = None) -> int:
    """The rank of an input, which lies between the two."""
    rank = len(call.shape(position))
    if rank < lowest or (highest is not None and rank > highest):
        wanted = (
            f"{lowest}"
            if highest == lowest
            else f"at least {lowest}"
            if highest is None
            else f"{lowest} to {highest}"
        )
        raise UnfitError(f"input {position} has {rank} axes instead of {wanted}")
    return rank


def check_not_empty(size: Size, what: str) -> None:
    """Refuses a size that is 0."""
    if size == 0:
        raise UnfitError(f"{what} is empty")


def check_equal(left: Size, right: Size, what: str) -> None:
    """Refuses sizes that are not one."""
    if left != right:
        raise UnfitError(f"{what}: {left} and {right} are not equal")


def count_elements(shape: Shape) -> Size:
    return multiply_sizes(shape)


def check_static(size: Size, what: str) -> int:
    """`size` as a number; it must not follow a dim."""
    if not isinstance(size, int):
        raise UnfitError(f"{what} follows a dim")
    return size
