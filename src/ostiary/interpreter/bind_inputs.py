"""Sizes of dims, from the arrays of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ostiary.graph.sizes import Size, evaluate_size
from ostiary.graph.values import Graph
from ostiary.interpreter.unfit import InputUnfit


def bind_inputs(graph: Graph, shapes: Sequence[tuple[int, ...]]) -> Mapping[str, int]:
    """A size for each dim, in bounds and the same wherever it stands. Raises InputUnfit.

    `shapes`: one for each input of the graph, in their order.
    """
    dims: dict[str, int] = {}
    names = {item.name for item in graph.dims}
    for item, shape in zip(graph.inputs, shapes, strict=True):
        if len(shape) != len(item.type.shape):
            raise InputUnfit(f"input {item.name} has {len(shape)} axes instead of {len(item.type.shape)}")
        for size, given in zip(item.type.shape, shape, strict=True):
            if not isinstance(size, int) and size.text in names:
                dims.setdefault(size.text, given)
    for dim in graph.dims:
        given = dims.get(dim.name, -1)
        if given < 0:
            raise InputUnfit(f"no input says how large dim {dim.name} is")
        if given < dim.min or (dim.max is not None and given > dim.max):
            bounds = f"at least {dim.min:,}" if dim.max is None else f"from {dim.min:,} to {dim.max:,}"
            raise InputUnfit(f"dim {dim.name} is {given:,}; it may be {bounds}")
    for item, shape in zip(graph.inputs, shapes, strict=True):
        for axis, (size, given) in enumerate(zip(item.type.shape, shape, strict=True)):
            wanted = evaluate_size(size, dims)
            if given != wanted:
                raise InputUnfit(f"axis {axis} of input {item.name} is {given:,} instead of {_tell(size, wanted)}")
    return dims


def _tell(size: Size, wanted: int) -> str:
    return f"{wanted:,}" if isinstance(size, int) else f"{wanted:,} ({size})"
