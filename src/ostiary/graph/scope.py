"""What is known of sizes before a call: the bounds of each dim, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.graph.sizes import Expression, Quotient, Size

Interval = tuple[int | None, int | None]
"""Lowest and highest, both included; None where there is no end."""


class Scope:
    """Answers for all bindings of the dims at once: yes, or not surely."""

    __slots__ = ("_dims", "_known", "checked")

    def __init__(self, dims: Mapping[str, Interval]) -> None:
        self._dims = dict(dims)
        self._known: dict[str, Interval] = {}
        self.checked: set[tuple[Size, ...]] = set()
        """Shapes that are known to be possible: most of a graph have been there before."""

    def is_surely_below(self, left: Size, right: Size) -> bool:
        """Whether left < right, whatever the dims are."""
        if isinstance(left, int) and isinstance(right, int):
            return left < right
        highest = self.bound(left - right)[1]
        return highest is not None and highest < 0

    def bound(self, size: Size) -> Interval:
        """Ends that `size` never passes; not always the nearest such."""
        if isinstance(size, int):
            return size, size
        known = self._known.get(size.text)
        if known is None:
            known = self._known[size.text] = self._bound_expression(size)
        return known

    def _bound_expression(self, size: Expression) -> Interval:
        total: Interval = (0, 0)
        for monomial, coefficient in size.terms.items():
            product: Interval = (coefficient, coefficient)
            for name in monomial:
                factor = size.factors[name]
                if isinstance(factor, Quotient):
                    low, high = self.bound(factor.inside)
                    ends = (
                        None if low is None else low // factor.by,
                        None if high is None else high // factor.by,
                    )
                else:
                    ends = self._dims[factor]
                product = _multiply(product, ends)
            total = _add(total, product)
        return total


def _add(left: Interval, right: Interval) -> Interval:
    return (
        None if left[0] is None or right[0] is None else left[0] + right[0],
        None if left[1] is None or right[1] is None else left[1] + right[1],
    )


def _multiply(left: Interval, right: Interval) -> Interval:
    if None not in left and None not in right:
        corners = [a * b for a in left for b in right if a is not None and b is not None]
        return min(corners), max(corners)
    for one, other in ((left, right), (right, left)):
        low, high = one
        if low is not None and low == high:  # a number times what has no end
            if low == 0:
                return 0, 0
            ends = tuple(None if end is None else end * low for end in other)
            return (ends[0], ends[1]) if low > 0 else (ends[1], ends[0])
    low_left, low_right = left[0], right[0]
    if low_left is not None and low_right is not None and low_left >= 0 and low_right >= 0:
        return low_left * low_right, None
    return None, None
