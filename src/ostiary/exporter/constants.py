"""Arrays that a function holds: the same at all sizes, or a number that is made of a size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import mlx.core as mx

from ostiary.exporter.array_bytes import is_same
from ostiary.exporter.fit_sizes import SizeFitter
from ostiary.exporter.refusals import CannotFollow
from ostiary.exporter.writer import GraphWriter
from ostiary.graph.dtypes import Dtype
from ostiary.graph.sizes import Size

_NEAR: Final = 2.0**-6
_MOST_EXACT: Final = 1 << 24
"""Whole numbers up to here are themselves in float32."""


def write_constant(writer: GraphWriter, fitter: SizeFitter, arrays: Sequence[mx.array], name: str | None) -> int:
    """`arrays` has it as each trace does. Raises CannotFollow."""
    first = arrays[0]
    if all(is_same(first, other) for other in arrays[1:]):
        return writer.add_constant(first, name)
    if any(array.shape != first.shape or array.dtype != first.dtype for array in arrays) or first.size != 1:
        raise CannotFollow(
            "an array of values that follow the sizes of the inputs is made outside of MLX, or at random"
        )
    value = _write_number(writer, fitter, arrays)
    if first.ndim:
        (value,) = writer.add_node("reshape", (value,), {"shape": tuple(first.shape)})
    return value


def _write_number(writer: GraphWriter, fitter: SizeFitter, arrays: Sequence[mx.array]) -> int:
    dtype = Dtype(str(arrays[0].dtype).rpartition(".")[2])
    numbers = [array.item() for array in arrays]
    if dtype.is_integer or dtype.is_float:
        reals = [float(number) for number in numbers if isinstance(number, int | float)]
        size = _fit(fitter, reals)
        if size is not None:
            return writer.add_node("size_value", (), {"size": size, "dtype": dtype})[0]
        size = _fit(fitter, [-real for real in reals])
        if size is not None:
            (value,) = writer.add_node("size_value", (), {"size": size, "dtype": dtype})
            return writer.add_node("negative", (value,), {})[0]
        size = _fit_one_divided(fitter, arrays, reals) if dtype.is_float else None
        if size is not None:
            return _write_one_divided(writer, size, dtype)
    raise CannotFollow("a number in it follows a size of the inputs in a way that a graph cannot say")


def _fit(fitter: SizeFitter, reals: Sequence[float]) -> Size | None:
    if any(real < 0 or real > _MOST_EXACT or real != int(real) for real in reals):
        return None
    return fitter.express(tuple(int(real) for real in reals))


def _fit_one_divided(fitter: SizeFitter, arrays: Sequence[mx.array], reals: Sequence[float]) -> Size | None:
    """Half precision leaves many sizes that look alike, so known ones are tried before one is computed."""
    for known in fitter.known:
        if _is_near(fitter.evaluate(known), reals) and _is_one_divided(arrays, fitter.evaluate(known)):
            return known
    computed = _fit(fitter, [round(1 / real) if real else -1 for real in reals])
    return computed if computed is not None and _is_one_divided(arrays, fitter.evaluate(computed)) else None


def _is_near(sizes: Sequence[int], reals: Sequence[float]) -> bool:
    return all(abs(size * real - 1) < _NEAR for size, real in zip(sizes, reals, strict=True))


def _is_one_divided(arrays: Sequence[mx.array], sizes: Sequence[int]) -> bool:
    return all(
        is_same(array.reshape(()), _divide(size).astype(array.dtype))
        for array, size in zip(arrays, sizes, strict=True)
    )


def _divide(size: int) -> mx.array:
    return mx.array(1.0, mx.float32) / mx.array(float(size), mx.float32)


def _write_one_divided(writer: GraphWriter, size: Size, dtype: Dtype) -> int:
    (number,) = writer.add_node("size_value", (), {"size": size, "dtype": Dtype.FLOAT32})
    one = writer.add_constant(mx.array(1.0, mx.float32))
    (value,) = writer.add_node("divide", (one, number), {})
    return value if dtype is Dtype.FLOAT32 else writer.add_node("as_type", (value,), {"dtype": dtype})[0]
