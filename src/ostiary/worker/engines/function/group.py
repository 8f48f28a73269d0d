"""Which calls share one run: those that differ in nothing but their rows of the batch dimension."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.graph.independence import BatchAxes
from ostiary.worker.engines.function.infer_call import InferCall


def count_rows(call: InferCall, axes: BatchAxes) -> int:
    """0 where it has none, or where its inputs do not agree on their number."""
    found = {
        shape[axis] if axis < len(shape) else 0
        for shape, axis in zip(call.shapes, axes.inputs, strict=True)
        if axis is not None
    }
    return found.pop() if len(found) == 1 else 0


def pick_group(waiting: Sequence[InferCall], axes: BatchAxes | None, most: int) -> list[InferCall]:
    """The call that has waited longest, and those that can go with it: together `most` rows at most. Never empty.

    `axes`: where the rows are; None where calls must not share a run.
    """
    first = waiting[0]
    rows = 0 if axes is None else count_rows(first, axes)
    if axes is None or first.is_alone or not rows:
        return [first]
    group = [first]
    for call in waiting[1:]:
        more = count_rows(call, axes)
        if more and not call.is_alone and rows + more <= most and _goes_with(call, first, axes):
            group.append(call)
            rows += more
            if rows == most:
                break
    return group


def _goes_with(call: InferCall, first: InferCall, axes: BatchAxes) -> bool:
    for number, axis in enumerate(axes.inputs):
        shape, wanted = call.shapes[number], first.shapes[number]
        if axis is None:
            if shape != wanted or call.buffers[number] != first.buffers[number]:
                return False
        elif _without(shape, axis) != _without(wanted, axis):
            return False
    return True


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
