"""One run for a group of calls: their rows are put one behind the other, and the results cut again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

import mlx.core as mx

from ostiary.core.frames import Tail
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_FRAME_TAIL_BYTES
from ostiary.graph.independence import BatchAxes
from ostiary.interpreter.function import Function
from ostiary.interpreter.tensor_bytes import array_from_bytes, view_bytes
from ostiary.interpreter.unfit import CallTooLarge
from ostiary.worker.engines.function.group import count_rows
from ostiary.worker.engines.function.infer_call import InferCall, describe_outputs

Outcome: TypeAlias = tuple[dict[str, JsonValue], Tail]
"""Body and tail of an answer."""


class Runs:
    """Of one function."""

    def __init__(self, function: Function) -> None:
        self._function: Final = function
        self._dtypes: Final = [item.type.dtype for item in function.graph.inputs]
        types = function.graph.list_types()
        self._out_dtypes: Final = [types[item.value].dtype for item in function.graph.outputs]

    def run(self, group: Sequence[InferCall], axes: BatchAxes | None) -> list[Outcome]:
        """An answer for each call, in their order. Raises what `Function.call` raises; with several, for all."""
        if len(group) == 1 or axes is None:
            inputs = [self._take(group[0], number) for number in range(len(self._dtypes))]
            outputs = self._call(inputs)
            return [self._tell([array.shape for array in outputs], [view_bytes(array) for array in outputs])]
        inputs = [self._join(group, number, axis) for number, axis in enumerate(axes.inputs)]
        ends = list(accumulate((count_rows(call, axes) for call in group), initial=0))
        parts = [_cut(array, axis, ends) for array, axis in zip(self._call(inputs), axes.outputs, strict=True)]
        return [
            self._tell([part[number][0] for part in parts], [part[number][1] for part in parts])
            for number in range(len(group))
        ]

    def _take(self, call: InferCall, number: int) -> mx.array:
        return array_from_bytes(call.buffers[number], self._dtypes[number], call.shapes[number])

    def _join(self, group: Sequence[InferCall], number: int, axis: int | None) -> mx.array:
        if axis is None:
            return self._take(group[0], number)
        return mx.concatenate([self._take(call, number) for call in group], axis)

    def _call(self, inputs: Sequence[mx.array]) -> list[mx.array]:
        plan = self._function.find_plan(inputs)
        if plan.output_bytes > MAX_FRAME_TAIL_BYTES:
            ceiling = f"the ceiling is {int(MAX_FRAME_TAIL_BYTES):,}"
            raise CallTooLarge(f"the outputs would have {plan.output_bytes:,} bytes; {ceiling}")
        return plan.run(inputs)

    def _tell(self, shapes: Sequence[tuple[int, ...]], views: Sequence[memoryview]) -> Outcome:
        body = describe_outputs(self._function.graph, shapes, self._out_dtypes)
        return body, views[0] if len(views) == 1 else b"".join(views)


def _cut(array: mx.array, axis: int | None, ends: Sequence[int]) -> list[tuple[tuple[int, ...], memoryview]]:
    """Shape and bytes of each part between two ends."""
    if axis is None:
        return [(array.shape, view_bytes(array))] * (len(ends) - 1)
    rest = array.shape[axis + 1 :]
    if axis == 0:  # as they lie in memory
        whole = view_bytes(array)
        row = len(whole) // ends[-1]
        return [((stop - start, *rest), whole[start * row : stop * row]) for start, stop in pairwise(ends)]
    parts = mx.split(array, list(ends[1:-1]), axis)
    return [(part.shape, view_bytes(part)) for part in parts]
