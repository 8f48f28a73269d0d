"""Traces a function at sizes that tell its dims apart, so that what follows them shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Final

from ostiary.errors import OstiaryError
from ostiary.exporter.refusals import CannotTrace, UnknownOperation
from ostiary.exporter.subject import Subject
from ostiary.graph.values import Dim

_STEPS: Final = (1, 2, 4, 8, 16, 32, 64)
_LEAST: Final = 3
"""Sizes 1 and 2 hide things: what is stretched from one element looks as if it had the size."""
_OFFSETS: Final = (0, 17, 37, 58, 75)
"""So far apart that halves and sixteenths of them differ, and with every remainder that four leaves."""


def choose_bindings(subject: Subject, example: Mapping[str, int], dims: Sequence[Dim]) -> list[dict[str, int]]:
    """Sizes of the dims to trace at: each changes alone once, and all together three times. Raises CannotTrace."""
    if not example:
        return [{}, {}]
    taken = {
        size
        for array, axes in zip(subject.arguments.arrays, subject.axes, strict=True)
        for axis, size in enumerate(array.shape)
        if axis not in axes
    }
    numbers: dict[str, list[int]] = {}
    for dim in dims:
        numbers[dim.name] = _choose_numbers(subject, example, dim, taken)
        taken |= set(numbers[dim.name])
    base = {name: found[0] for name, found in numbers.items()}
    bindings = [base, *({**base, name: found[1]} for name, found in numbers.items())]
    bindings += [{name: found[place % len(found)] for name, found in numbers.items()} for place in (2, 3, 4)]
    ends = {dim.name: dim.max or numbers[dim.name][-1] for dim in dims}
    if ends not in bindings:  # what a function does otherwise at great sizes shows there, if somewhere
        bindings.append(ends)
    for binding in bindings:
        error = _try(subject, binding)
        if error is not None:
            sizes = ", ".join(f"{name} {size}" for name, size in binding.items())
            raise CannotTrace(f"it takes no inputs of {sizes}, so these dims do not vary by themselves") from error
    return bindings


def _choose_numbers(subject: Subject, example: Mapping[str, int], dim: Dim, taken: Set[int]) -> list[int]:
    """Sizes that the function takes for this dim, unlike all others there are."""
    last: Exception | None = None
    for step in dict.fromkeys((*_STEPS, example[dim.name])):
        found: list[int] = []
        for size in _list_candidates(example[dim.name], dim, step, taken):
            last = _try(subject, {**example, dim.name: size})
            if last is not None:
                break
            found.append(size)
            if len(found) == len(_OFFSETS):
                return found
        if last is None and len(found) > 1:  # the bounds leave no more
            return found
    raise CannotTrace(
        f"it takes too few sizes of dim '{dim.name}', which is {example[dim.name]} in the examples, to see what "
        "follows it; leave the dim out"
    ) from last


def _list_candidates(example: int, dim: Dim, step: int, taken: Set[int]) -> Iterator[int]:
    """Multiples of `step` within the bounds: those far apart, then all others from the examples' size down."""
    given: set[int] = set(taken)
    start = -(-max(example, _LEAST, dim.min) // step) * step
    wanted = [start + offset * step for offset in _OFFSETS]
    if dim.max is not None:
        lowest = max(dim.min, 2, dim.max - _MOST_TRIED * step)
        wanted += [size for size in range(dim.max, lowest - 1, -1) if size % step == 0]
    for size in wanted:
        free = size
        while free in given and free - size < len(_OFFSETS) * step:
            free += step
        if free not in given and (dim.max is None or free <= dim.max):
            given.add(free)
            yield free


_MOST_TRIED: Final = 64


def _try(subject: Subject, binding: Mapping[str, int]) -> Exception | None:
    try:
        subject.trace_at(binding)
    except (CannotTrace, UnknownOperation, OstiaryError):
        raise
    except Exception as error:  # noqa: BLE001  the function's own, of whatever kind
        return error
    return None
