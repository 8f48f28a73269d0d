"""Whether the entries along a batch dim stay apart, from the inputs of a graph to its outputs.

Calls of different people are computed together only where this says so: nothing that one of them gave can then
reach the answer of another, whatever the graph was made for. What is not surely apart counts as mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from ostiary.core.values import dataclass
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.sizes import Size, list_dims, multiply_sizes
from ostiary.graph.values import AttributeValue, Graph, Node, TensorType

Axis: TypeAlias = int | None
"""Where the entries are, each as many places as the others, one behind the other. None: the same for all."""


class _MixedError(Exception):
    """Entries meet, or may."""


@dataclass(frozen=True, slots=True)
class BatchAxes:
    """One for each input and output of a graph."""

    inputs: tuple[Axis, ...]
    outputs: tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """One node, with what is known of its inputs."""

    node: Node
    types: tuple[TensorType, ...]
    axes: tuple[Axis, ...]
    dim: str

    @property
    def rank(self) -> int:
        return len(self.types[0].shape)

    def follows(self, size: Size) -> bool:
        return self.dim in list_dims(size)

    def get(self, name: str) -> AttributeValue:
        return self.node.attributes[name]

    def numbers(self, name: str) -> tuple[int, ...]:
        value = self.node.attributes[name]
        return tuple(item for item in value if isinstance(item, int)) if isinstance(value, tuple) else ()

    def sizes(self, name: str) -> tuple[Size, ...]:
        value = self.node.attributes[name]
        return value if isinstance(value, tuple) else ()


def find_batch_axes(graph: Graph, dim: str) -> BatchAxes | None:
    """Where the entries along `dim` are; None where they do not stay apart."""
    axes: list[Axis] = []
    for item in graph.inputs:
        places = [axis for axis, size in enumerate(item.type.shape) if dim in list_dims(size)]
        if len(places) > 1 or any(str(item.type.shape[axis]) != dim for axis in places):
            return None
        axes.append(places[0] if places else None)
    inputs = tuple(axes)
    axes += [None] * len(graph.constants)
    types = graph.list_types()
    try:
        for node in graph.nodes:
            case = _Case(
                node, tuple(types[value] for value in node.inputs), tuple(axes[value] for value in node.inputs), dim
            )
            axes += _follow(case)
    except _MixedError:
        return None
    outputs = []
    for output in graph.outputs:
        axis, shape = axes[output.value], types[output.value].shape
        if axis is not None and str(shape[axis]) != dim:
            return None
        outputs.append(axis)
    if all(axis is None for axis in inputs):
        return None
    return BatchAxes(inputs, tuple(outputs))


def _follow(case: _Case) -> list[Axis]:
    """Where the entries are in the results."""
    family = PRIMITIVES[case.node.op].family
    rule = _RULES.get(case.node.op) or _FAMILIES.get(family)
    if case.node.op == "broadcast_to":
        return [_follow_broadcast(case)]
    if all(axis is None for axis in case.axes):
        if _mentions_dim(case):
            raise _MixedError  # a number of entries, or something for each place among them
        return [None] * len(case.node.outputs)
    if rule is None:
        raise _MixedError
    axis = rule(case)
    for output in case.node.outputs:
        if axis is not None and not case.follows(output.shape[axis]):
            raise _MixedError
        if any(case.follows(size) for place, size in enumerate(output.shape) if place != axis):
            raise _MixedError
    if case.node.op not in _KNOWS_DIM and any(case.follows(size) for size in _list_attribute_sizes(case)):
        raise _MixedError
    return [axis] * len(case.node.outputs)


def _mentions_dim(case: _Case) -> bool:
    return any(case.follows(size) for output in case.node.outputs for size in output.shape) or any(
        case.follows(size) for size in _list_attribute_sizes(case)
    )


def _list_attribute_sizes(case: _Case) -> Iterator[Size]:
    for value in case.node.attributes.values():
        for item in value if isinstance(value, tuple) else (value,):
            if not isinstance(item, bool | float | str):
                yield item


def _only(case: _Case, position: int = 0) -> int:
    """The axis of an input, which must be the only one with entries."""
    axis = case.axes[position]
    if axis is None or any(other is not None for place, other in enumerate(case.axes) if place != position):
        raise _MixedError
    return axis


def _follow_broadcast(case: _Case) -> Axis:
    shape, axis = case.node.outputs[0].shape, case.axes[0]
    places = [place for place, size in enumerate(shape) if case.follows(size)]
    if axis is None:
        if not places:
            return None
        if len(places) > 1 or str(shape[places[0]]) != case.dim:
            raise _MixedError
        return places[0]  # the same for each entry, and so none knows another
    moved = axis + len(shape) - case.rank
    if places != [moved]:
        raise _MixedError
    return moved


def _follow_elements(case: _Case) -> Axis:
    rank = max(len(item.shape) for item in case.types)
    return _meet(case, rank)


def _meet(case: _Case, rank: int) -> int:
    """Arrays stretched to one shape: all entries have to come to lie on one axis of it."""
    found = {
        rank - len(item.shape) + axis for item, axis in zip(case.types, case.axes, strict=True) if axis is not None
    }
    if len(found) != 1:
        raise _MixedError
    return found.pop()


def _follow_view(case: _Case) -> Axis:
    axis = _only(case)
    if axis == case.rank - 1 and case.node.outputs[0].shape != case.types[0].shape:
        raise _MixedError
    return axis


def _follow_reshape(case: _Case) -> Axis:
    """The entries stay what is counted slowest behind the axes in front of them."""
    axis, shape = _only(case), case.sizes("shape")
    before = multiply_sizes(case.types[0].shape[:axis])
    for place, size in enumerate(shape):
        if case.follows(size):
            if multiply_sizes(shape[:place]) != before or not _is_multiple(size, case.dim):
                raise _MixedError
            return place
    raise _MixedError


def _follow_strides(case: _Case) -> Axis:
    """Windows that slide over each entry by itself: none reaches past the end of its own."""
    axis, shape, strides = _only(case), case.sizes("shape"), case.sizes("strides")
    whole = case.types[0].shape
    if axis != 0 or len(whole) != 1 or case.get("offset") != 0 or not shape or str(shape[0]) != case.dim:
        raise _MixedError
    entry, last = strides[0], 0
    for size, stride in zip(shape[1:], strides[1:], strict=True):
        if not isinstance(size, int) or not isinstance(stride, int):
            raise _MixedError
        last += (size - 1) * stride
    if not isinstance(entry, int) or not 0 <= last < entry or shape[0] * entry != whole[0]:
        raise _MixedError
    return 0


def _is_multiple(size: Size, dim: str) -> bool:
    """Whether the dim is a factor of every term, once."""
    return not isinstance(size, int) and all(list(monomial).count(dim) == 1 for monomial in size.terms)


def _follow_transpose(case: _Case) -> Axis:
    return case.numbers("axes").index(_only(case))


def _follow_expand_dims(case: _Case) -> Axis:
    new, axis = case.numbers("axes"), _only(case)
    kept = [place for place in range(case.rank + len(new)) if place not in new]
    return kept[axis]


def _follow_squeeze(case: _Case) -> Axis:
    gone, axis = case.numbers("axes"), _only(case)
    if axis in gone:
        raise _MixedError
    return axis - sum(place < axis for place in gone)


def _follow_slice(case: _Case) -> Axis:
    axis = _only(case)
    whole = (case.sizes("start")[axis], case.sizes("stop")[axis], case.numbers("step")[axis])
    if whole != (0, case.types[0].shape[axis], 1):
        raise _MixedError
    for name in ("start", "stop"):
        if any(case.follows(size) for place, size in enumerate(case.sizes(name)) if place != axis):
            raise _MixedError
    return axis


def _follow_concatenate(case: _Case) -> Axis:
    found = set(case.axes)
    if len(found) != 1 or case.get("axis") in found:
        raise _MixedError
    return found.pop()


def _follow_along(case: _Case) -> Axis:
    """Works along one other axis, and keeps the rank or what `keepdims` says."""
    axis, along = _only(case), case.get("axis")
    if not isinstance(along, int) or axis == along:
        raise _MixedError
    if case.node.attributes.get("keepdims") is False:
        return axis - (along < axis)
    return axis


def _follow_reduction(case: _Case) -> Axis:
    axis, along = _only(case), case.numbers("axes")
    if axis in along:
        raise _MixedError
    return axis if case.get("keepdims") else axis - sum(place < axis for place in along)


def _follow_last(case: _Case) -> Axis:
    """Works along the last axis."""
    axis = _only(case)
    if axis == case.rank - 1:
        raise _MixedError
    return axis


def _follow_pad(case: _Case) -> Axis:
    axis = _only(case)
    if case.sizes("before")[axis] != 0 or case.sizes("after")[axis] != 0:
        raise _MixedError
    return axis


def _follow_product(case: _Case) -> Axis:
    """Rows of the left, or whole products; a matrix on the right that all share."""
    left, right = case.types[0].shape, case.types[1].shape
    if case.axes[1] is None:
        axis = _only(case)
        if axis == len(left) - 1:
            raise _MixedError
        return axis + len(case.node.outputs[0].shape) - len(left) + (len(right) == 1)
    rank = len(case.node.outputs[0].shape)
    if len(left) < _MATRIX or len(right) < _MATRIX or any(other is not None for other in case.axes[2:]):
        raise _MixedError
    for item, place in zip(case.types[:2], case.axes[:2], strict=True):
        if place is not None and place >= len(item.shape) - 2:
            raise _MixedError
    return _meet(_Case(case.node, case.types[:2], case.axes[:2], case.dim), rank)


def _follow_added_product(case: _Case) -> Axis:
    """What is added stretches to the product, and its rows have to be those of the product."""
    rank, added = len(case.node.outputs[0].shape), case.axes[2]
    if case.axes[0] is None and case.axes[1] is None:
        return rank - len(case.types[2].shape) + _only(case, 2)
    axis = _follow_product(_Case(case.node, case.types[:2], case.axes[:2], case.dim))
    if added is not None and rank - len(case.types[2].shape) + added != axis:
        raise _MixedError
    return axis


def _follow_packed(case: _Case) -> Axis:
    """Words, scales and offsets lie alike; each line of the last axis is by itself."""
    axis = case.axes[0]
    if axis is None or axis == case.rank - 1 or set(case.axes) != {axis}:
        raise _MixedError
    return axis


def _follow_convolution(case: _Case) -> Axis:
    axis = _only(case)
    if axis:
        raise _MixedError
    return axis


def _follow_take(case: _Case) -> Axis:
    """Either the table has entries beside the axis that is chosen from, or the indices have."""
    along, rank = case.get("axis"), len(case.types[1].shape)
    if not isinstance(along, int):
        raise _MixedError
    if case.axes[0] is None:
        return along + _only(case, 1)
    axis = _only(case)
    if axis == along:
        raise _MixedError
    return axis if axis < along else axis + rank - 1


def _follow_gather(case: _Case) -> Axis:
    front = len(case.node.outputs[0].shape) - case.rank
    if case.axes[0] is not None:
        axis = _only(case)
        if axis in case.numbers("axes"):
            raise _MixedError
        return front + axis
    return _meet(_Case(case.node, case.types[1:], case.axes[1:], case.dim), front)


def _follow_lines(case: _Case) -> Axis:
    """Each line along an axis by itself; every input has the rank of the first."""
    found = {axis for axis in case.axes if axis is not None}
    if len(found) != 1 or case.get("axis") in found:
        raise _MixedError
    axis = found.pop()
    if any(other is None and case.types[place].shape[axis] != 1 for place, other in enumerate(case.axes)):
        raise _MixedError
    return axis


def _follow_update(case: _Case) -> Axis:
    """A part of each entry is changed, at the same place."""
    axis = _follow_slice(_Case(case.node, case.types[:1], case.axes[:1], case.dim))
    if axis is None or case.axes[1] not in {None, axis - case.rank + len(case.types[1].shape)}:
        raise _MixedError
    return axis


def _follow_transform(case: _Case) -> Axis:
    axis = _only(case)
    if axis in case.numbers("axes"):
        raise _MixedError
    return axis


def _follow_matrices(case: _Case) -> Axis:
    axis = _only(case)
    if axis >= case.rank - 2:
        raise _MixedError
    return axis


def _follow_attention(case: _Case) -> Axis:
    """Along the first axis of queries, keys and values, and of a mask that has it."""
    if any(axis not in {None, 0} for axis in case.axes) or set(case.axes[:3]) != {0}:
        raise _MixedError
    if len(case.axes) > 3 and case.axes[3] == 0 and len(case.types[3].shape) != case.rank:
        raise _MixedError
    return 0


def _follow_rope(case: _Case) -> Axis:
    """Positions are the last axis but one."""
    return _follow_matrices(case)


def _follow_number_of_elements(case: _Case) -> Axis:
    """A number that is no number of entries is the same for all of them."""
    if any(case.follows(case.types[0].shape[axis]) for axis in case.numbers("axes")):
        raise _MixedError
    return None


Rule: TypeAlias = Callable[[_Case], Axis]

_FAMILIES: Final[Mapping[str, Rule]] = {"elementwise": _follow_elements}
_MATRIX: Final = 2
_KNOWS_DIM: Final = frozenset({"as_strided", "reshape", "slice", "slice_update"})
"""Operations whose rules look at every attribute that follows the dim."""
_RULES: Final[Mapping[str, Rule]] = {
    "number_of_elements": _follow_number_of_elements,
    "view": _follow_view,
    "reshape": _follow_reshape,
    "as_strided": _follow_strides,
    "transpose": _follow_transpose,
    "expand_dims": _follow_expand_dims,
    "squeeze": _follow_squeeze,
    "slice": _follow_slice,
    "concatenate": _follow_concatenate,
    "split": _follow_along,
    "pad": _follow_pad,
    **dict.fromkeys(("sum", "prod", "min", "max", "all", "any"), _follow_reduction),
    **dict.fromkeys(("argmin", "argmax", "sort", "argsort", "partition", "argpartition"), _follow_along),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"), _follow_along),
    **dict.fromkeys(("softmax", "logsumexp", "layer_norm", "rms_norm", "hadamard_transform"), _follow_last),
    "matmul": _follow_product,
    "addmm": _follow_added_product,
    "dequantize": _follow_packed,
    "quantized_matmul": _follow_product,
    "convolution": _follow_convolution,
    "take": _follow_take,
    "gather": _follow_gather,
    "take_along_axis": _follow_lines,
    "put_along_axis": _follow_lines,
    "slice_update": _follow_update,
    "fft": _follow_transform,
    "quantize": _follow_last,
    **dict.fromkeys(("inverse", "cholesky", "qr", "svd", "eigh", "eig"), _follow_matrices),
    "attention": _follow_attention,
    "rope": _follow_rope,
}
