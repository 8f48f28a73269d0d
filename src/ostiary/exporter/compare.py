"""Runs a graph as it was written beside the function that it was made of, and holds the results together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass

_ROUNDING: Final = {mx.float16: 2.0**-10, mx.bfloat16: 2.0**-7, mx.float32: 2.0**-23}
_MOST_ROUNDINGS: Final = 64
"""Sums are taken in another order where one kernel stands for several operations."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The greatest between two arrays, as a part of the greatest number in them."""

    relative: float
    is_rounding: bool


def compare(one: mx.array, other: mx.array) -> Difference:
    """How far two results are from one another. What is not finite has to be in the same places."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return Difference(math.inf, is_rounding=False)
    if one.size == 0:
        return Difference(0.0, is_rounding=True)
    if one.dtype not in _ROUNDING:
        is_same = bool(mx.array_equal(one, other).item())
        return Difference(0.0 if is_same else math.inf, is_rounding=is_same)
    left, right = one.astype(mx.float32), other.astype(mx.float32)
    finite = mx.isfinite(left) & mx.isfinite(right)
    alike = finite | (left == right) | (mx.isnan(left) & mx.isnan(right))
    if not mx.all(alike).item():
        return Difference(math.inf, is_rounding=False)
    left, right = mx.where(finite, left, 0.0), mx.where(finite, right, 0.0)
    scale = max(_find_greatest(left), _find_greatest(right))
    gap = _find_greatest(left - right)
    if gap == 0.0:
        return Difference(0.0, is_rounding=True)
    relative = gap / scale if scale else math.inf
    return Difference(relative, is_rounding=relative <= _ROUNDING[one.dtype] * _MOST_ROUNDINGS)


def find_worst(ones: Sequence[mx.array], others: Sequence[mx.array]) -> tuple[int, Difference]:
    """The result that differs most, by its number."""
    differences = [compare(one, other) for one, other in zip(ones, others, strict=True)]
    ranks = [(not item.is_rounding, item.relative) for item in differences]
    worst = ranks.index(max(ranks))
    return worst, differences[worst]


def _find_greatest(array: mx.array) -> float:
    found: Any = mx.max(mx.abs(array)).item()
    return float(found)
