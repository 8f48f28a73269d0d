"""Operations on each element by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import INTEGERS, SIGNED, Dtype, at_least_float, promote
from ostiary.graph.primitive import Infer
from ostiary.graph.shapes import broadcast_shapes
from ostiary.graph.values import TensorType

DtypeRule = Callable[[Dtype], Dtype]
REAL: Final = frozenset(Dtype) - {Dtype.COMPLEX64}
NUMBERS: Final = frozenset(Dtype) - {Dtype.BOOL}
INTEGERS_AND_BOOL: Final = INTEGERS | {Dtype.BOOL}


def _same(dtype: Dtype) -> Dtype:
    return dtype


def _bool(_dtype: Dtype) -> Dtype:
    return Dtype.BOOL


def _magnitude(dtype: Dtype) -> Dtype:
    return Dtype.FLOAT32 if dtype is Dtype.COMPLEX64 else dtype


SAME: Final = _same
BOOLEAN: Final = _bool
FLOAT: Final = at_least_float
MAGNITUDE: Final = _magnitude
_ANY: Final = frozenset(Dtype)


def unary(rule: DtypeRule, allowed: Collection[Dtype] = _ANY) -> Infer:
    """The rule of an operation on one array."""

    def infer(call: Call) -> tuple[TensorType, ...]:
        dtype = call.dtype(0)
        check_dtype(dtype, allowed)
        return (TensorType(rule(dtype), call.shape(0)),)

    return infer


def binary(rule: DtypeRule, allowed: Collection[Dtype] = _ANY, outputs: int = 1) -> Infer:
    """The rule of an operation on two arrays, which are stretched to one shape and turned into one type."""

    def infer(call: Call) -> tuple[TensorType, ...]:
        dtype = promote(call.dtype(0), call.dtype(1))
        for given in (call.dtype(0), call.dtype(1), dtype):
            check_dtype(given, allowed)
        shape = broadcast_shapes((call.shape(0), call.shape(1)))
        return (TensorType(rule(dtype), shape),) * outputs

    return infer


def infer_select(call: Call) -> tuple[TensorType, ...]:
    """One of two elements, by a condition."""
    check_dtype(call.dtype(0), {Dtype.BOOL}, "the condition")
    shape = broadcast_shapes(item.shape for item in call.inputs)
    return (TensorType(promote(call.dtype(1), call.dtype(2)), shape),)


def infer_as_type(call: Call) -> tuple[TensorType, ...]:
    """Another type of elements."""
    return (TensorType(call.element_type("dtype"), call.shape(0)),)


def infer_view(call: Call) -> tuple[TensorType, ...]:
    """The same bytes read as another type; the last axis grows or shrinks."""
    shape, dtype = call.shape(0), call.element_type("dtype")
    before, after = call.dtype(0).bytes, dtype.bytes
    if Dtype.BOOL in {call.dtype(0), dtype} and call.dtype(0) is not dtype:
        raise UnfitError("bytes that are not 0 or 1 are no booleans")
    if before == after:
        return (TensorType(dtype, shape),)
    if not shape:
        raise UnfitError("an array without axes cannot change its number of elements")
    if before > after:
        return (TensorType(dtype, (*shape[:-1], shape[-1] * (before // after))),)
    last = shape[-1] * before
    if not isinstance(last, int):
        raise UnfitError("the last axis follows a dim")
    if last % after:
        raise UnfitError(f"{last} bytes along the last axis are no whole number of {dtype}")
    return (TensorType(dtype, (*shape[:-1], last // after)),)


def check_dtype(dtype: Dtype, allowed: Collection[Dtype], what: str = "an input") -> None:
    """Refuses an element type that the operation does not know."""
    if dtype not in allowed:
        raise UnfitError(f"{what} is {dtype}")


__all__ = [
    "BOOLEAN",
    "FLOAT",
    "INTEGERS",
    "INTEGERS_AND_BOOL",
    "MAGNITUDE",
    "NUMBERS",
    "REAL",
    "SAME",
    "SIGNED",
    "binary",
    "check_dtype",
    "infer_as_type",
    "infer_select",
    "infer_view",
    "unary",
]
