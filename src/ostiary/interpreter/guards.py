"""What stands before an operation that some data would lead astray.

A guard changes such data into harmless data, and says in one truth value whether it had to. Nothing waits for it:
all of them are computed with the outputs, and a call in which one of them is false has no outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeAlias

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.graph.call import Call
from ostiary.graph.dtypes import SIGNED, Dtype, promote
from ostiary.graph.primitive import Hazard, IndexBound, Primitive
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, array_from_bytes, read_shape
from ostiary.interpreter.unfit import InputUnfit

Change: TypeAlias = Callable[[list[mx.array]], mx.array]
"""Changes the inputs of one operation in place, and says whether they were harmless."""

_DIVISOR: Final = 1
_OUTSIDE: Final = "an index is outside of what it points into"
_DIVIDES: Final = "an integer is divided by zero, or the lowest by -1"
_EXPONENT: Final = "an integer is raised to a negative power"
_SINGULAR: Final = "a matrix has no inverse"
_NOT_FINITE: Final = "a matrix to be factorised is not finite"
_NOT_POSITIVE: Final = "a matrix has no Cholesky factor: it is not positive definite"


@dataclass(frozen=True, slots=True)
class Guard:
    change: Change
    sentence: str
    """What is wrong where it says no."""


def make_guards(row: Primitive, call: Call, proven: Collection[int]) -> list[Guard]:
    """`proven`: the inputs that cannot go wrong. Raises InputUnfit where every index would."""
    guards: list[Guard] = []
    if row.bounds is not None:
        for bound in row.bounds(call):
            guard = None if bound.input in proven else _guard_indices(bound, call)
            if guard is not None:
                guards.append(guard)
    if row.name == "masked_scatter" and 0 not in call.shape(1):
        guards.append(Guard(_guard_mask, _OUTSIDE))
    if Hazard.DIVISION in row.hazards and _DIVISOR not in proven:
        dtype = promote(call.dtype(0), call.dtype(1))
        if dtype.is_integer:
            guards.append(Guard(_guard_division(dtype), _DIVIDES))
    is_whole = call.dtype(1) in SIGNED and not call.dtype(0).is_inexact if Hazard.EXPONENT in row.hazards else False
    if is_whole and _DIVISOR not in proven:
        guards.append(Guard(_guard_exponent(call.dtype(1)), _EXPONENT))
    if Hazard.FACTORISATION in row.hazards:
        guards.append(Guard(_guard_matrix, _NOT_FINITE))
    if row.name == "inverse":
        is_triangular = call.flag("triangular")
        guards.append(Guard(_guard_triangle if is_triangular else _guard_inverse, _SINGULAR))
    if row.name == "cholesky":
        guards.append(Guard(_guard_cholesky(call.flag("upper")), _NOT_POSITIVE))
    return guards


def _guard_indices(bound: IndexBound, call: Call) -> Guard | None:
    dtype = call.dtype(bound.input)
    if 0 in call.shape(bound.input):
        return None
    lowest, highest = read_shape(bound.lowest), read_shape(bound.highest)
    if any(low > high for low, high in zip(lowest, highest, strict=True)):
        raise InputUnfit("an index points into nothing")
    first, last = _find_ends(dtype)
    least = None if max(lowest) <= first else _write_bound([max(low, first) for low in lowest], dtype)
    most = None if min(highest) >= last else _write_bound([min(high, last) for high in highest], dtype)
    if least is None and most is None:
        return None
    position = bound.input

    def change(inputs: list[mx.array]) -> mx.array:
        given = inputs[position]
        index = given if least is None else mx.maximum(given, least)
        index = index if most is None else mx.minimum(index, most)
        inputs[position] = index
        return mx.all(mx.equal(given, index))

    return Guard(change, _OUTSIDE)


def _find_ends(dtype: Dtype) -> tuple[int, int]:
    bits = dtype.bytes * 8
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype in SIGNED else (0, (1 << bits) - 1)


def _write_bound(numbers: list[int], dtype: Dtype) -> mx.array:
    data = b"".join(number.to_bytes(dtype.bytes, "little", signed=dtype in SIGNED) for number in numbers)
    return array_from_bytes(data, dtype, (len(numbers),) if len(numbers) > 1 else ())


def _guard_mask(inputs: list[mx.array]) -> mx.array:
    """Whether there are values for all places of each row. The operation itself does not go on where they end."""
    _, mask, values = inputs
    counts = mx.sum(mx.reshape(mask, (mask.shape[0], -1)), axis=1)
    return mx.all(mx.less_equal(counts, mx.array(values.shape[1])))


def _guard_division(dtype: Dtype) -> Change:
    """In the type that the two are divided in."""
    target, one, zero = MLX_DTYPES[dtype], _write_bound([1], dtype), _write_bound([0], dtype)
    minus_one = _write_bound([-1], dtype) if dtype in SIGNED else None
    lowest = _write_bound([_find_ends(dtype)[0]], dtype)

    def change(inputs: list[mx.array]) -> mx.array:
        above, below = inputs[0].astype(target), inputs[1].astype(target)
        bad = mx.equal(below, zero)
        if minus_one is not None:
            overflows = mx.logical_and(mx.equal(above, lowest), mx.equal(below, minus_one))
            bad = mx.logical_or(bad, overflows)
        inputs[0], inputs[1] = above, mx.where(bad, one, below)
        return mx.logical_not(mx.any(bad))

    return change


def _guard_exponent(dtype: Dtype) -> Change:
    zero = _write_bound([0], dtype)

    def change(inputs: list[mx.array]) -> mx.array:
        given = inputs[1]
        inputs[1] = mx.maximum(given, zero)
        return mx.all(mx.greater_equal(given, zero))

    return change


def _guard_matrix(inputs: list[mx.array]) -> mx.array:
    return _use_or_replace(inputs, mx.all(mx.isfinite(inputs[0])))


def _guard_inverse(inputs: list[mx.array]) -> mx.array:
    """A matrix without an inverse shows in its LU form, which MLX takes of the matrix as it lies, or mirrored.

    MLX would raise; and each error that it raises while it computes leaves a task behind that never ends: after
    some hundred of them it waits for ever.
    """
    given = inputs[0]
    good = mx.array(True)
    for matrix in (given, mx.swapaxes(given, -1, -2)):
        packed, _ = mx.linalg.lu_factor(matrix, stream=mx.cpu)
        good = mx.logical_and(good, mx.all(mx.not_equal(mx.diagonal(packed, 0, -2, -1), mx.array(0.0))))
    return _use_or_replace(inputs, good)


def _guard_cholesky(upper: bool) -> Change:
    """MLX does not say that it stopped half-way: it leaves a number that is not above zero where it did."""

    def change(inputs: list[mx.array]) -> mx.array:
        factor = mx.linalg.cholesky(inputs[0], upper=upper, stream=mx.cpu)
        good = mx.all(mx.greater(mx.diagonal(factor, 0, -2, -1), mx.array(0.0)))
        return _use_or_replace(inputs, good)

    return change


def _guard_triangle(inputs: list[mx.array]) -> mx.array:
    good = mx.all(mx.not_equal(mx.diagonal(inputs[0], 0, -2, -1), mx.array(0.0)))
    return _use_or_replace(inputs, good)


def _use_or_replace(inputs: list[mx.array], good: mx.array) -> mx.array:
    """A unit matrix can be factorised in every way."""
    given = inputs[0]
    inputs[0] = mx.where(good, given, mx.eye(given.shape[-2], given.shape[-1], dtype=given.dtype))
    return good
