"""Calls to MLX whose inputs say where to read or write. Their indices were guarded: see `guards`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run
from ostiary.interpreter.tensor_bytes import read_shape

Types = tuple[TensorType, ...]


def _make_take(call: Call, _outputs: Types) -> Run:
    return partial(mx.take, axis=call.integer("axis"))


def _make_take_along_axis(call: Call, _outputs: Types) -> Run:
    return partial(mx.take_along_axis, axis=call.integer("axis"))


def _make_put_along_axis(call: Call, _outputs: Types) -> Run:
    axis = call.integer("axis")
    if 0 in call.shape(1):
        return lambda x, _indices, _values: x
    if call.word("reduce") == "none":
        return partial(mx.put_along_axis, axis=axis)
    shape = read_shape(call.shape(1))
    places: list[Any] = [
        mx.reshape(mx.arange(size), [-1 if other == place else 1 for other in range(len(shape))])
        for place, size in enumerate(shape)
    ]

    def add(x: mx.array, indices: mx.array, values: mx.array) -> mx.array:
        (own,) = _bring_together([indices], others=len(places) - 1)
        grid = tuple(own if place == axis else places[place] for place in range(len(places)))
        return x.at[grid].add(values)

    return add


def _make_gather(call: Call, outputs: Types) -> Run:
    axes, shape = call.integers("axes"), read_shape(outputs[0].shape)
    order = _bring_forward(axes, len(call.shape(0)))

    def run(x: mx.array, *indices: mx.array) -> mx.array:
        moved = x if order is None else mx.transpose(x, order)
        taken = mx.take(moved, indices[0], 0) if len(indices) == 1 else moved[tuple(_bring_together(indices))]
        return mx.reshape(taken, shape)

    return run


def _make_scatter(call: Call, _outputs: Types) -> Run:
    axes, mode = call.integers("axes"), call.word("reduce")
    order = _bring_forward(axes, len(call.shape(0)))
    back = None if order is None else [order.index(axis) for axis in range(len(order))]
    given = read_shape(call.shape(len(call.inputs) - 1))
    front = len(given) - len(call.shape(0))
    rest = tuple(size for axis, size in enumerate(given[front:]) if axis not in axes)
    shape = (*given[:front], *rest)
    if 0 in shape:
        return lambda x, *_others: x

    def run(x: mx.array, *others: mx.array) -> mx.array:
        *indices, updates = others
        moved = x if order is None else mx.transpose(x, order)
        place = indices[0] if len(indices) == 1 else tuple(_bring_together(indices))
        written = _write(moved, place, mx.reshape(updates, shape), mode)
        return written if back is None else mx.transpose(written, back)

    return run


def _bring_together(indices: Sequence[mx.array], others: int = 0) -> Sequence[mx.array]:
    """Of types that MLX has one for: with a signed one beside it, it would make a float of uint64."""
    if len(indices) + others == 1 or all(index.dtype != mx.uint64 for index in indices):
        return indices
    return [index.astype(mx.int64) if index.dtype == mx.uint64 else index for index in indices]


def _bring_forward(axes: tuple[int, ...], rank: int) -> tuple[int, ...] | None:
    """An order that has `axes` first; None where they are already."""
    order = (*axes, *(axis for axis in range(rank) if axis not in axes))
    return None if order == tuple(range(rank)) else order


def _write(array: mx.array, place: Any, updates: mx.array, mode: str) -> mx.array:
    match mode:
        case "sum":
            return array.at[place].add(updates)
        case "prod":
            return array.at[place].multiply(updates)
        case "max":
            return array.at[place].maximum(updates)
        case "min":
            return array.at[place].minimum(updates)
    written = mx.array(array)  # another array to MLX: writing to it leaves the first as it is
    written[place] = updates
    return written


def _make_slice_update(call: Call, _outputs: Types) -> Run:
    starts, stops = read_shape(call.sizes("start")), read_shape(call.sizes("stop"))
    bounds = list(zip(starts, stops, call.integers("step"), strict=True))
    if any(len(range(start, stop, step)) == 0 for start, stop, step in bounds):
        return lambda x, _update: x
    place = tuple(slice(start, None if stop < 0 else stop, step) for start, stop, step in bounds)
    mode = call.word("reduce")
    return lambda x, update: _write(x, place, update, mode)


def _make_dynamic_slice(call: Call, _outputs: Types) -> Run:
    axes, sizes = call.integers("axes"), read_shape(call.sizes("sizes"))
    return lambda x, start: mx.slice(x, start, axes, sizes)


def _make_dynamic_slice_update(call: Call, _outputs: Types) -> Run:
    axes = call.integers("axes")
    if 0 in call.shape(1):
        return lambda x, _update, _start: x
    return lambda x, update, start: mx.slice_update(x, update, start, axes)


def _make_masked_scatter(call: Call, _outputs: Types) -> Run:
    """Counts the places as it goes along a row, as MLX's own operation does, which does not look where to stop."""
    shape, last = read_shape(call.shape(0)), read_shape(call.shape(2))[1] - 1
    flat = (shape[0], math.prod(shape[1:]))

    def run(x: mx.array, mask: mx.array, values: mx.array) -> mx.array:
        rows = mx.reshape(mask, flat)
        place = mx.cumsum(rows.astype(mx.int32), axis=1)
        place = mx.maximum(mx.minimum(mx.subtract(place, mx.array(1)), mx.array(last)), mx.array(0))
        chosen = mx.where(rows, mx.take_along_axis(values, place, axis=1), mx.reshape(x, flat))
        return mx.reshape(chosen, shape)

    return run


def _make_searchsorted(call: Call, _outputs: Types) -> Run:
    return partial(mx.searchsorted, side="right" if call.flag("right") else "left")


INDEXING: Final[Mapping[str, Make]] = {
    "take": _make_take,
    "take_along_axis": _make_take_along_axis,
    "put_along_axis": _make_put_along_axis,
    "gather": _make_gather,
    "scatter": _make_scatter,
    "slice_update": _make_slice_update,
    "dynamic_slice": _make_dynamic_slice,
    "dynamic_slice_update": _make_dynamic_slice_update,
    "masked_scatter": _make_masked_scatter,
    "searchsorted": _make_searchsorted,
}
