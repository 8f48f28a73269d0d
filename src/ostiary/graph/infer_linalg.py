"""Factorisations of matrices; several lie in one array, along the axes before the last two."""

from __future__ import annotations

from typing import Final

from ostiary.graph.call import Call
from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_elementwise import check_dtype
from ostiary.graph.shapes import Shape, check_equal, check_not_empty, check_rank, check_static
from ostiary.graph.values import TensorType

Types = tuple[TensorType, ...]
_MATRIX: Final = 2


def _take_matrix(call: Call) -> tuple[Shape, int, int]:
    """The axes in front, and the numbers of rows and columns."""
    check_rank(call, 0, _MATRIX)
    check_dtype(call.dtype(0), {Dtype.FLOAT32})
    shape = call.shape(0)
    for size in shape:
        check_not_empty(size, "the array")
    return shape[:-2], check_static(shape[-2], "the number of rows"), check_static(shape[-1], "that of columns")


def _take_square(call: Call) -> tuple[Shape, int]:
    front, rows, columns = _take_matrix(call)
    check_equal(rows, columns, "rows and columns")
    return front, rows


def infer_square(call: Call) -> Types:
    front, size = _take_square(call)
    return (TensorType(Dtype.FLOAT32, (*front, size, size)),)


def infer_qr(call: Call) -> Types:
    front, rows, columns = _take_matrix(call)
    least = min(rows, columns)
    return (
        TensorType(Dtype.FLOAT32, (*front, rows, least)),
        TensorType(Dtype.FLOAT32, (*front, least, columns)),
    )


def infer_svd(call: Call) -> Types:
    front, rows, columns = _take_matrix(call)
    values = TensorType(Dtype.FLOAT32, (*front, min(rows, columns)))
    if not call.flag("vectors"):
        return (values,)
    return (
        TensorType(Dtype.FLOAT32, (*front, rows, rows)),
        values,
        TensorType(Dtype.FLOAT32, (*front, columns, columns)),
    )


def infer_eigh(call: Call) -> Types:
    return _infer_eigen(call, Dtype.FLOAT32)


def infer_eig(call: Call) -> Types:
    return _infer_eigen(call, Dtype.COMPLEX64)


def _infer_eigen(call: Call, dtype: Dtype) -> Types:
    front, size = _take_square(call)
    values = TensorType(dtype, (*front, size))
    return (values, TensorType(dtype, (*front, size, size))) if call.flag("vectors") else (values,)
