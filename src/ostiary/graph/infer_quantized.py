"""Matrices of few bits per number: packed into words, with a scale for each group along the last axis."""

from __future__ import annotations

from typing import Final

from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import FLOATS, Dtype
from ostiary.graph.infer_elementwise import check_dtype
from ostiary.graph.infer_linear import check_choices
from ostiary.graph.shapes import (
    Shape,
    broadcast_shapes,
    check_equal,
    check_not_empty,
    check_rank,
    check_static,
    render_shape,
)
from ostiary.graph.values import TensorType

Types = tuple[TensorType, ...]
MODES: Final = {
    "affine": (frozenset({32, 64, 128}), frozenset({2, 3, 4, 5, 6, 8})),
    "mxfp4": (frozenset({32}), frozenset({4})),
    "mxfp8": (frozenset({32}), frozenset({8})),
    "nvfp4": (frozenset({16}), frozenset({4})),
}
"""Which sizes of groups and which numbers of bits each mode has."""
_MATRIX: Final = 2
_WORD_BITS: Final = 32


def infer_quantize(call: Call) -> Types:
    check_rank(call, 0, _MATRIX)
    check_dtype(call.dtype(0), FLOATS)
    group, bits = _take_mode(call)
    front = call.shape(0)[:-1]
    size = check_static(call.shape(0)[-1], "the last axis")
    if size == 0 or size % group:
        raise UnfitError(f"{size} numbers do not fall into groups of {group}")
    words = TensorType(Dtype.UINT32, (*front, size * bits // _WORD_BITS))
    if call.word("mode") != "affine":
        return words, TensorType(Dtype.UINT8, (*front, size // group))
    scales = TensorType(call.dtype(0), (*front, size // group))
    return words, scales, scales


def infer_dequantize(call: Call) -> Types:
    check_rank(call, 0, _MATRIX)
    dtype = call.element_type("dtype")
    check_dtype(dtype, FLOATS, "the result")
    size = _check_packed(call, 0, dtype)
    return (TensorType(dtype, (*call.shape(0)[:-1], size)),)


def infer_quantized_matmul(call: Call) -> Types:
    check_rank(call, 0, _MATRIX)
    check_rank(call, 1, _MATRIX)
    left, right = call.shape(0), _unpack(call)
    front = broadcast_shapes((left[:-2], right[:-2]))
    return (TensorType(call.dtype(0), (*front, left[-2], _sum_over(call, right))),)


def infer_gather_qmm(call: Call) -> Types:
    """The last two inputs choose among the matrices of each side."""
    check_rank(call, 0, _MATRIX)
    check_rank(call, 1, _MATRIX)
    right = _unpack(call, chosen=2)
    columns = _sum_over(call, right)
    last = len(call.inputs)
    return (TensorType(call.dtype(0), (*check_choices(call, last - 2, last - 1), call.shape(0)[-2], columns)),)


def _unpack(call: Call, chosen: int = 0) -> Shape:
    """The shape of the matrices of input 1, once they are numbers again."""
    check_dtype(call.dtype(0), FLOATS, "input 0")
    size = _check_packed(call, 1, call.dtype(0), chosen)
    return (*call.shape(1)[:-1], size)


def _sum_over(call: Call, right: Shape) -> int:
    rows, columns = (right[-1], right[-2]) if call.flag("transpose") else (right[-2], right[-1])
    check_equal(call.shape(0)[-1], rows, "sizes that are summed over")
    check_not_empty(rows, "the axis that is summed over")
    count = check_static(columns, "the number of columns")
    check_not_empty(count, "the matrix")
    return count


def _take_mode(call: Call) -> tuple[int, int]:
    group, bits, mode = call.integer("group_size"), call.integer("bits"), call.word("mode")
    groups, widths = MODES[mode]
    if group not in groups or bits not in widths:
        raise UnfitError(f"mode {mode} has no groups of {group} numbers of {bits} bits")
    return group, bits


def _check_packed(call: Call, position: int, dtype: Dtype, chosen: int = 0) -> int:
    """How many numbers the last axis of the packed words holds; scales and offsets are right behind them."""
    group, bits = _take_mode(call)
    is_affine = call.word("mode") == "affine"
    if len(call.inputs) != position + (3 if is_affine else 2) + chosen:
        raise UnfitError(f"mode {call.word('mode')} does not take {len(call.inputs)} inputs")
    words = call.shape(position)
    check_dtype(call.dtype(position), {Dtype.UINT32}, f"input {position}")
    packed = check_static(words[-1], "the last axis") * _WORD_BITS
    if packed == 0 or packed % bits or packed // bits % group:
        raise UnfitError(f"{words[-1]} words hold no whole groups of {group} numbers of {bits} bits")
    scales: Shape = (*words[:-1], packed // bits // group)
    for other in range(position + 1, len(call.inputs) - chosen):
        check_dtype(call.dtype(other), {dtype if is_affine else Dtype.UINT8}, f"input {other}")
        if call.shape(other) != scales:
            found = render_shape(call.shape(other))
            raise UnfitError(f"input {other} has shape {found} instead of {render_shape(scales)}")
    return packed // bits
