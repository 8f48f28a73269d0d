"""What MLX's operations that read and write at indices are in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.exporter.codes import name_code
from ostiary.exporter.refusals import CannotExpress
from ostiary.exporter.step import Rules, Step
from ostiary.graph.sizes import Size


def _write_gather(step: Step) -> Sequence[int]:
    step.expect(2)
    axes = step.integers(0)
    for arguments, shape in zip(step.arguments, step.input_shapes[0], strict=True):
        if tuple(arguments[1]) != tuple(1 if axis in axes else size for axis, size in enumerate(shape)):
            raise CannotExpress("it takes more than one element where an index points")
    order = sorted(range(len(axes)), key=lambda place: axes[place])
    indices = [step.inputs[1 + place] for place in order]
    return step.write("gather", (step.inputs[0], *indices), axes=tuple(sorted(axes)))


def _write_scatter(step: Step) -> Sequence[int]:
    step.expect(2)
    axes = step.integers(1)
    order = sorted(range(len(axes)), key=lambda place: axes[place])
    indices = [step.inputs[1 + place] for place in order]
    return step.write(
        "scatter",
        (step.inputs[0], *indices, step.inputs[-1]),
        axes=tuple(sorted(axes)),
        reduce=name_code("Scatter", step.fixed(0)),
    )


def _write_gather_axis(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("take_along_axis", axis=int(step.fixed(0)))


def _write_scatter_axis(step: Step) -> Sequence[int]:
    step.expect(2)
    return step.write("put_along_axis", axis=int(step.fixed(1)), reduce=name_code("ScatterAxis", step.fixed(0)))


def _write_slice_update(step: Step) -> Sequence[int]:
    step.expect(4)
    steps = step.integers(3)
    start, stop = fit_slice(step, 1)
    return step.write(
        "slice_update", start=start, stop=stop, step=steps, reduce=name_code("SliceUpdate", step.fixed(0))
    )


def fit_slice(step: Step, position: int) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """Start and stop, two arguments. Below zero, MLX counts them from the end of the axis."""
    ends = [
        [
            tuple(place + size if place < 0 else place for place, size in zip(arguments[which], shape, strict=True))
            for arguments, shape in zip(step.arguments, step.input_shapes[0], strict=True)
        ]
        for which in (position, position + 1)
    ]
    return step.fit_all(ends[0]), step.fit_all(ends[1])


def _write_slice(step: Step) -> Sequence[int]:
    step.expect(3)
    steps = step.integers(2)
    start, stop = fit_slice(step, 0)
    return step.write("slice", start=start, stop=stop, step=steps)


def _write_dynamic_slice(step: Step) -> Sequence[int]:
    step.expect(2)
    axes = step.integers(0)
    inputs = step.inputs[0], _check_order(step.inputs[1], axes)
    return step.write("dynamic_slice", inputs, axes=tuple(sorted(axes)), sizes=step.sizes(1))


def _write_dynamic_slice_update(step: Step) -> Sequence[int]:
    step.expect(1)
    axes = step.integers(0)
    inputs = *step.inputs[:2], _check_order(step.inputs[2], axes)
    return step.write("dynamic_slice_update", inputs, axes=tuple(sorted(axes)))


def _check_order(starts: int, axes: Sequence[int]) -> int:
    if list(axes) != sorted(axes):
        raise CannotExpress("its axes are not in ascending order")
    return starts


def _write_masked_scatter(step: Step) -> Sequence[int]:
    step.expect(0)
    return step.write("masked_scatter")


def _write_searchsorted(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("searchsorted", right=bool(step.fixed(0)))


RULES: Final[Rules] = {
    "DynamicSlice": _write_dynamic_slice,
    "DynamicSliceUpdate": _write_dynamic_slice_update,
    "Gather": _write_gather,
    "GatherAxis": _write_gather_axis,
    "MaskedScatter": _write_masked_scatter,
    "Scatter": _write_scatter,
    "ScatterAxis": _write_scatter_axis,
    "SearchSorted": _write_searchsorted,
    "Slice": _write_slice,
    "SliceUpdate": _write_slice_update,
}
