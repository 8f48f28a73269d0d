"""What MLX's operations on shapes and along axes are in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.exporter.codes import name_code
from ostiary.exporter.refusals import CannotFollow
from ostiary.exporter.step import Rules, Step
from ostiary.graph.sizes import Size, multiply_sizes

_REDUCTIONS: Final = frozenset({"sum", "prod", "min", "max", "all", "any", "argmin", "argmax"})


def _write_reshape(step: Step) -> Sequence[int]:
    return step.write("reshape", shape=step.output_shape())


def _write_flatten(step: Step) -> Sequence[int]:
    step.expect(2)
    first, last = int(step.fixed(0)), int(step.fixed(1))
    shape = step.shape(0)
    together = (*shape[:first], multiply_sizes(shape[first : last + 1]), *shape[last + 1 :])
    return step.write("reshape", shape=together)


def _write_broadcast(step: Step) -> Sequence[int]:
    shape = step.output_shape()
    if shape == step.shape(0):
        return step.inputs[:1]
    return step.write("broadcast_to", step.inputs[:1], shape=shape)


def _write_transpose(step: Step) -> Sequence[int]:
    step.expect(1)
    axes = step.integers(0)
    if axes == tuple(range(len(axes))):
        return step.inputs
    return step.write("transpose", axes=axes)


def _write_expand_dims(step: Step) -> Sequence[int]:
    step.expect(1)
    axes = tuple(sorted(step.integers(0)))
    return step.write("expand_dims", axes=axes) if axes else step.inputs


def _write_squeeze(step: Step) -> Sequence[int]:
    """A reduction that drops its axes is two operations of MLX."""
    step.expect(1)
    axes = tuple(sorted(step.integers(0)))
    if not axes:
        return step.inputs
    maker = step.writer.find_maker(step.inputs[0])
    if maker is not None and maker.op in _REDUCTIONS:
        along = maker.attributes["axes"] if "axes" in maker.attributes else (maker.attributes["axis"],)
        if along == axes:
            return step.write(maker.op, maker.inputs, **{**maker.attributes, "keepdims": False})
    if maker is not None and maker.op == "gather" and maker.attributes["axes"] == (0,):
        table, indices = maker.inputs
        if axes == (len(step.writer.types[indices].shape),):
            return step.write("take", (table, indices), axis=0)
    return step.write("squeeze", axes=axes)


def _write_concatenate(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("concatenate", axis=int(step.fixed(0)))


def _write_split(step: Step) -> Sequence[int]:
    step.expect(2)
    return step.write("split", axis=int(step.fixed(1)), at=step.sizes(0))


def _write_pad(step: Step) -> Sequence[int]:
    step.expect(3)
    axes = step.integers(0)
    before: list[Size] = [0] * step.rank(0)
    after: list[Size] = [0] * step.rank(0)
    for axis, low, high in zip(axes, step.sizes(1), step.sizes(2), strict=True):
        before[axis], after[axis] = low, high
    return step.write("pad", before=tuple(before), after=tuple(after))


def _write_as_strided(step: Step) -> Sequence[int]:
    step.expect(3)
    offset = step.fit([int(arguments[2]) for arguments in step.arguments])
    return step.write("as_strided", shape=step.sizes(0), strides=step.sizes(1), offset=offset)


def _write_arange(step: Step) -> Sequence[int]:
    step.expect(3)
    dtype, by = step.output_dtypes[0], float(step.fixed(2))
    (size,) = step.output_shape()
    starts = [float(arguments[0]) for arguments in step.arguments]
    if len(set(starts)) == 1:
        return step.write("arange", start=starts[0], step=by, size=size, dtype=dtype)
    if not dtype.is_integer:
        raise CannotFollow("numbers in a row whose first one follows a size of the inputs")
    (numbers,) = step.write("arange", start=0.0, step=by, size=size, dtype=dtype)
    first = step.write("size_value", (), size=step.fit([int(start) for start in starts]), dtype=dtype)
    return step.write("add", (numbers, *first))


def _write_reduce(step: Step) -> Sequence[int]:
    step.expect(2)
    axes = tuple(sorted(step.integers(1)))
    if not axes:
        return step.inputs
    step.fitter.note(multiply_sizes(step.shape(0)[axis] for axis in axes))  # a mean is divided by it
    return step.write(name_code("Reduce", step.fixed(0)), axes=axes, keepdims=True)


def _write_arg_reduce(step: Step) -> Sequence[int]:
    step.expect(2)
    return step.write(name_code("ArgReduce", step.fixed(0)), axis=int(step.fixed(1)), keepdims=True)


def _write_sort(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write({"Sort": "sort", "ArgSort": "argsort"}[step.name], axis=int(step.fixed(0)))


def _write_partition(step: Step) -> Sequence[int]:
    step.expect(2)
    op = {"Partition": "partition", "ArgPartition": "argpartition"}[step.name]
    axis = int(step.fixed(1))
    places = [int(arguments[0]) for arguments in step.arguments]
    if len(set(places)) > 1:  # from the end of an axis that follows a dim: the whole order has each place
        return step.write("sort" if op == "partition" else "argsort", axis=axis)
    return step.write(op, kth=places[0], axis=axis)


def _write_scan(step: Step) -> Sequence[int]:
    step.expect(4)
    op = name_code("Scan", step.fixed(0))
    return step.write(op, axis=int(step.fixed(1)), reverse=bool(step.fixed(2)), inclusive=bool(step.fixed(3)))


def _write_softmax(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("softmax", precise=bool(step.fixed(0)))


def _write_logsumexp(step: Step) -> Sequence[int]:
    step.expect(0)
    return step.write("logsumexp")


RULES: Final[Rules] = {
    "Arange": _write_arange,
    "ArgPartition": _write_partition,
    "ArgReduce": _write_arg_reduce,
    "ArgSort": _write_sort,
    "AsStrided": _write_as_strided,
    "Broadcast": _write_broadcast,
    "BroadcastAxes": _write_broadcast,
    "Concatenate": _write_concatenate,
    "ExpandDims": _write_expand_dims,
    "Flatten": _write_flatten,
    "LogSumExp": _write_logsumexp,
    "Pad": _write_pad,
    "Partition": _write_partition,
    "Reduce": _write_reduce,
    "Reshape": _write_reshape,
    "Scan": _write_scan,
    "Softmax": _write_softmax,
    "Sort": _write_sort,
    "Split": _write_split,
    "Squeeze": _write_squeeze,
    "Transpose": _write_transpose,
    "Unflatten": _write_reshape,
}
