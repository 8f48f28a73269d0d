"""Traces a function at sizes that tell its dims apart, so that what follows them shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.errors import OstiaryError
from ostiary.exporter.examples import Arguments, flatten_results
from ostiary.exporter.parts import Parts, held_still
from ostiary.exporter.refusals import CannotTrace, UnknownOperation
from ostiary.exporter.still import SEEDS, settled
from ostiary.exporter.trace import Trace, trace
from ostiary.exporter.whole import MappedOver, keep_whole, put_back

_STEPS: Final = (1, 2, 4, 8, 16, 32, 64)
_LEAST: Final = 3
"""Sizes 1 and 2 hide things: what is stretched from one element looks as if it had the size."""
_NUMBERS: Final = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """A function with what it was tried with."""

    function: Callable[..., Any]
    arguments: Arguments
    parts: Parts
    axes: tuple[Mapping[int, str], ...]
    """For each input, the dims of its axes."""

    def compute(self, arrays: Sequence[mx.array]) -> list[mx.array]:
        """The arrays of its result."""
        return [array for _, array in flatten_results(self.arguments.call(self.function, arrays))]

    def shape_inputs(self, binding: Mapping[str, int]) -> list[tuple[int, ...]]:
        """The shapes of its inputs where the dims are as in `binding`."""
        return [
            tuple(binding[axes[axis]] if axis in axes else size for axis, size in enumerate(array.shape))
            for array, axes in zip(self.arguments.arrays, self.axes, strict=True)
        ]

    def trace_at(self, binding: Mapping[str, int], seed: int = SEEDS[0], *, whole: bool = True) -> Trace:
        """What it computes at these sizes. Raises what the function raises, CannotTrace, UnknownOperation."""
        shapes = self.shape_inputs(binding)
        arrays = [mx.zeros(shape, array.dtype) for shape, array in zip(shapes, self.arguments.arrays, strict=True)]
        with held_still(self.parts), settled(seed):
            try:
                with keep_whole(fast=whole) as notes:
                    traced = trace(lambda *given: self.compute(given), arrays)
                return put_back(traced, notes)
            except MappedOver as error:
                if not whole:
                    raise CannotTrace("it maps a function over an axis that MLX tells nothing of") from error
        return self.trace_at(binding, seed, whole=False)


def choose_bindings(
    subject: Subject, example: Mapping[str, int], highest: Mapping[str, int | None]
) -> list[dict[str, int]]:
    """Sizes of the dims to trace at: each changes alone once, and all together. Raises CannotTrace."""
    if not example:
        return [{}, {}]
    taken = {size for array in subject.arguments.arrays for size in array.shape}
    numbers: dict[str, list[int]] = {}
    for name in example:
        numbers[name] = _choose_numbers(subject, example, name, taken, highest[name])
        taken |= set(numbers[name])
    base = {name: found[0] for name, found in numbers.items()}
    bindings = [base, *({**base, name: found[1]} for name, found in numbers.items())]
    bindings.append({name: found[2] for name, found in numbers.items()})
    for binding in bindings:
        error = _try(subject, binding)
        if error is not None:
            raise CannotTrace(
                f"it takes no inputs of sizes {_tell(binding)}, so these dims do not vary by themselves"
            ) from error
    return bindings


def _choose_numbers(
    subject: Subject, example: Mapping[str, int], name: str, taken: set[int], highest: int | None
) -> list[int]:
    """Sizes that the function takes for this dim, unlike all others there are."""
    last: Exception | None = None
    for step in dict.fromkeys((*_STEPS, example[name])):
        found: list[int] = []
        size = -(-max(example[name], _LEAST) // step) * step
        while len(found) < _NUMBERS and (highest is None or size <= highest):
            if size not in taken:
                last = _try(subject, {**example, name: size})
                if last is not None:
                    break
                found.append(size)
            size += step
        if len(found) == _NUMBERS:
            return found
        if last is None:  # the bounds leave no room upwards
            return _choose_below(subject, example, name)
    raise CannotTrace(
        f"it takes no inputs whose dim '{name}' is larger than in the examples, where it is {example[name]}"
    ) from last


def _choose_below(subject: Subject, example: Mapping[str, int], name: str) -> list[int]:
    found = []
    for size in range(example[name], 1, -1):
        if _try(subject, {**example, name: size}) is None:
            found.append(size)
            if len(found) == _NUMBERS:
                return found
    raise CannotTrace(f"it takes too few sizes of dim '{name}' to see what follows it; leave the dim out")


def _try(subject: Subject, binding: Mapping[str, int]) -> Exception | None:
    try:
        subject.trace_at(binding)
    except (CannotTrace, UnknownOperation, OstiaryError):
        raise
    except Exception as error:  # noqa: BLE001  the function's own, of whatever kind
        return error
    return None


def _tell(binding: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size}" for name, size in binding.items())
