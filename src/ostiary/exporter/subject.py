"""A function with what it is tried with, and how it is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.exporter.examples import Arguments, flatten_results
from ostiary.exporter.parts import Parts, held_still
from ostiary.exporter.still import SEEDS, settled
from ostiary.exporter.trace import Leaves, Trace, trace
from ostiary.exporter.whole import keep_whole, put_back
from ostiary.exporter.windows import strided_windows


@dataclass(frozen=True, slots=True)
class Subject:
    function: Callable[..., Any]
    arguments: Arguments
    parts: Parts
    axes: tuple[Mapping[int, str], ...]
    """For each input, the dims of its axes."""
    keeps_whole: bool = True
    """Whether calls of fast kernels stay calls of them."""

    def compute(self, arrays: Sequence[mx.array]) -> Leaves:
        """The arrays of its result."""
        return [array for _, array in flatten_results(self.arguments.call(self.function, arrays))]

    def shape_inputs(self, binding: Mapping[str, int]) -> list[tuple[int, ...]]:
        """The shapes of its inputs where the dims are as in `binding`."""
        return [
            tuple(binding[axes[axis]] if axis in axes else size for axis, size in enumerate(array.shape))
            for array, axes in zip(self.arguments.arrays, self.axes, strict=True)
        ]

    def trace_at(self, binding: Mapping[str, int], seed: int = SEEDS[0]) -> Trace:
        """What it computes at these sizes. Raises what the function raises, CannotTrace, UnknownOperation."""
        return self.trace_other(lambda *given: self.compute(given), binding, seed)

    def trace_other(
        self, function: Callable[..., Leaves], binding: Mapping[str, int], seed: int = SEEDS[0]
    ) -> Trace:
        """The same for something that calls it."""
        shapes = self.shape_inputs(binding)
        arrays = [mx.zeros(shape, array.dtype) for shape, array in zip(shapes, self.arguments.arrays, strict=True)]
        with self.held(seed), keep_whole(fast=self.keeps_whole) as notes:
            return put_back(trace(function, arrays), notes)

    @contextmanager
    def held(self, seed: int = SEEDS[0]) -> Iterator[None]:
        """Nothing colours what it computes meanwhile, and nothing of it stays."""
        with held_still(self.parts), settled(seed), strided_windows(wanted=self._has_inner_dims()):
            yield

    def _has_inner_dims(self) -> bool:
        return any(axis for axes in self.axes for axis in axes)
