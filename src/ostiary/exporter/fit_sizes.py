"""Finds what size a number is that a function was seen with at several sizes of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from ostiary.graph.sizes import Size, SizeError, dim, evaluate_size

Seen: TypeAlias = tuple[int, ...]
"""The number in each trace."""
_DIVISORS: Final = (2, 3, 4, 8, 16)


class SizeFitter:
    """Knows the sizes that a graph has so far. What it finds agrees with every trace; nothing is guessed beyond."""

    def __init__(self, bindings: Sequence[Mapping[str, int]]) -> None:
        """`bindings` has the dims of each trace."""
        self._bindings = tuple(bindings)
        self._known: dict[Seen, Size] = {}
        for name in bindings[0]:
            self.note(dim(name))

    def note(self, size: Size) -> None:
        """A size that an array has; the first of those that look alike is kept."""
        if not isinstance(size, int):
            self._known.setdefault(self.evaluate(size), size)

    def evaluate(self, size: Size) -> Seen:
        return tuple(evaluate_size(size, binding) for binding in self._bindings)

    def express(self, seen: Seen) -> Size | None:
        """The size that was `seen`; None where it is none of those that are looked for."""
        if len(set(seen)) == 1:
            return seen[0]
        try:
            found = self._known.get(seen) or self._express_linear(seen) or self._express_of_two(seen)
            if found is None:
                found = self._express_quotient(seen)
        except SizeError:
            return None
        return found if found is not None and self.evaluate(found) == seen else None

    def _express_linear(self, seen: Seen) -> Size | None:
        """A known size, so many times, and a number."""
        for known, size in self._known.items():
            pairs = zip(pairwise(known), pairwise(seen), strict=True)
            slopes = {(y - x, b - a) for (a, b), (x, y) in pairs if a != b or x != y}
            if any(run == 0 or rise % run for rise, run in slopes):
                continue
            factors = {rise // run for rise, run in slopes}
            if len(factors) == 1:
                factor = factors.pop()
                return factor * size + (seen[0] - factor * known[0])
        return None

    def _express_of_two(self, seen: Seen) -> Size | None:
        """Two known sizes, multiplied with each other and a number, or added."""
        sizes = list(self._known.items())
        for place, (left, one) in enumerate(sizes):
            if all(left) and not any(number % part for number, part in zip(seen, left, strict=True)):
                rest = tuple(number // part for number, part in zip(seen, left, strict=True))
                if rest in self._known:
                    return one * self._known[rest]
                ratios = self._find_ratio(rest, sizes)
                if ratios is not None:
                    return one * ratios
            for right, other in sizes[place:]:
                offsets = {total - a - b for total, a, b in zip(seen, left, right, strict=True)}
                if len(offsets) == 1:
                    return one + other + offsets.pop()
        for left, one in sizes:
            for right, other in sizes:
                offsets = {total - a + b for total, a, b in zip(seen, left, right, strict=True)}
                if len(offsets) == 1:
                    return one - other + offsets.pop()
        return None

    def _find_ratio(self, seen: Seen, sizes: Sequence[tuple[Seen, Size]]) -> Size | None:
        for known, size in sizes:
            if all(known) and not seen[0] % known[0]:
                factor = seen[0] // known[0]
                if all(number == factor * part for number, part in zip(seen, known, strict=True)):
                    return factor * size
            rest = self._divide(seen, known)
            if rest is not None and rest in self._known:
                return size * self._known[rest]
        return None

    @staticmethod
    def _divide(seen: Seen, known: Seen) -> Seen | None:
        if not all(known) or any(number % part for number, part in zip(seen, known, strict=True)):
            return None
        return tuple(number // part for number, part in zip(seen, known, strict=True))

    def _express_quotient(self, seen: Seen) -> Size | None:
        """A known size divided by a small number, rounded down or up, and a number."""
        for size in list(self._known.values()):
            for by in _DIVISORS:
                for rounded in (size // by, (size + (by - 1)) // by):
                    offsets = {number - part for number, part in zip(seen, self.evaluate(rounded), strict=True)}
                    if len(offsets) == 1:
                        return rounded + offsets.pop()
        return None
