"""Finds what size a number is that a function was seen with at several sizes of its inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise, product
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

    @property
    def known(self) -> tuple[Size, ...]:
        """The last one first."""
        return tuple(reversed(self._known.values()))

    def evaluate(self, size: Size) -> Seen:
        return tuple(evaluate_size(size, binding) for binding in self._bindings)

    def express(self, seen: Seen, near: Collection[Size] = ()) -> Size | None:
        """The size that was `seen`; None where it is none of those that are looked for.

        `near` has the sizes that it most likely follows.
        """
        if len(set(seen)) == 1:
            return seen[0]
        for look in (
            self._find,
            self._express_linear,
            self._express_product,
            lambda number: self._express_quotient(number, near),
            self._express_sum,
        ):
            try:
                found = look(seen)
            except SizeError:
                continue
            if found is not None and self.evaluate(found) == seen:
                return found
        return None

    def _find(self, seen: Seen) -> Size | None:
        return self._known.get(seen)

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

    def _express_product(self, seen: Seen) -> Size | None:
        """Two or three known sizes, multiplied with each other and a number."""
        for known, size in self._known.items():
            rest = self._divide(seen, known)
            if rest is None:
                continue
            other = self._find_multiple(rest)
            if other is not None:
                return size * other
            for second, another in self._known.items():
                last = self._divide(rest, second)
                third = None if last is None else self._find_multiple(last)
                if third is not None:
                    return size * another * third
        return None

    def _find_multiple(self, seen: Seen) -> Size | None:
        """A known size, so many times; or a number."""
        if len(set(seen)) == 1:
            return seen[0]
        for known, size in self._known.items():
            quotient = self._divide(seen, known)
            if quotient is not None and len(set(quotient)) == 1:
                return quotient[0] * size
        return None

    def _express_sum(self, seen: Seen) -> Size | None:
        """Two known sizes, added or one taken from the other, and a number."""
        sizes = list(self._known.items())
        for (left, one), (right, other) in product(sizes, sizes):
            for sign in (1, -1):
                offsets = {whole - a - sign * b for whole, a, b in zip(seen, left, right, strict=True)}
                if len(offsets) == 1:
                    return one + sign * other + offsets.pop()
        return None

    @staticmethod
    def _divide(seen: Seen, known: Seen) -> Seen | None:
        if not all(known) or any(number % part for number, part in zip(seen, known, strict=True)):
            return None
        return tuple(number // part for number, part in zip(seen, known, strict=True))

    def _express_quotient(self, seen: Seen, near: Collection[Size]) -> Size | None:
        """A known size divided by a small number, rounded down or up, and a number: the plainest that agrees."""
        found: list[tuple[tuple[bool, int, int, int], Size]] = []
        for place, size in enumerate(self._known.values()):
            for by in _DIVISORS:
                for rounded in (size // by, (size + (by - 1)) // by):
                    offsets = {number - part for number, part in zip(seen, self.evaluate(rounded), strict=True)}
                    if len(offsets) == 1:
                        offset = offsets.pop()
                        found.append(((size not in near, abs(offset), by, place), rounded + offset))
        return min(found, key=lambda item: item[0])[1] if found else None
