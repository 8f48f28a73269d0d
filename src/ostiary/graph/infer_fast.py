"""Norms, rotary positions and attention as one operation each, which MLX has kernels for."""

from __future__ import annotations

import math
from typing import Final

from ostiary.graph.call import Call, UnfitError
from ostiary.graph.dtypes import FLOATS, INTEGERS, Dtype, promote
from ostiary.graph.infer_elementwise import check_dtype
from ostiary.graph.shapes import (
    broadcast_shapes,
    check_equal,
    check_not_empty,
    check_rank,
    check_static,
    render_shape,
)
from ostiary.graph.values import TensorType

Types = tuple[TensorType, ...]
_ATTENTION_RANK: Final = 4
_BITS: Final = {1: Dtype.UINT8, 2: Dtype.UINT16, 4: Dtype.UINT32}


def infer_norm(call: Call) -> Types:
    """Weights and offsets have the size of the last axis."""
    check_rank(call, 0, 1)
    check_not_empty(call.shape(0)[-1], "the last axis")
    _check_finite(call, "eps")
    dtype = call.dtype(0)
    for position, item in enumerate(call.inputs):
        check_dtype(item.dtype, FLOATS, f"input {position}")
        dtype = promote(dtype, item.dtype)
        if position and item.shape != call.shape(0)[-1:]:
            raise UnfitError(f"input {position} has shape {render_shape(item.shape)}")
    return (TensorType(dtype, call.shape(0)),)


def infer_rope(call: Call) -> Types:
    """Positions start at the offset and go along the last axis but one."""
    rank = check_rank(call, 0, 3)
    check_dtype(call.dtype(0), FLOATS)
    check_dtype(call.dtype(1), INTEGERS, "the offset")
    if call.shape(1):
        raise UnfitError("the offset is no single number")
    turned = call.integer("dims")
    last = check_static(call.shape(0)[rank - 1], "the last axis")
    if turned > last or turned % 2:
        raise UnfitError(f"{turned} of {last} numbers do not turn in pairs")
    _check_finite(call, "scale")
    _check_finite(call, "base")
    if len(call.inputs) > 2:
        check_dtype(call.dtype(2), {Dtype.FLOAT32}, "the frequencies")
        if call.shape(2) != (turned // 2,):
            raise UnfitError(f"frequencies of shape {render_shape(call.shape(2))} instead of [{turned // 2}]")
        if call.number("base") != 0:
            raise UnfitError("both a base and frequencies are given")
    elif call.number("base") <= 0:
        raise UnfitError("the base is not above 0")
    return (call.inputs[0],)


def infer_attention(call: Call) -> Types:
    """Arrays of [batch, heads, positions, numbers]; several heads of queries may share one of keys and values."""
    for position in range(3):
        check_rank(call, position, _ATTENTION_RANK, _ATTENTION_RANK)
        check_dtype(call.dtype(position), FLOATS, f"input {position}")
        for size in call.shape(position):
            check_not_empty(size, f"input {position}")
    _check_finite(call, "scale")
    queries, keys, values = (call.shape(position) for position in range(3))
    check_equal(queries[0], keys[0], "batches")
    check_equal(queries[0], values[0], "batches")
    heads, shared = check_static(queries[1], "heads"), check_static(keys[1], "heads")
    check_equal(shared, values[1], "heads of keys and values")
    if heads % shared:
        raise UnfitError(f"{heads} heads of queries do not share {shared} heads of keys")
    check_equal(queries[3], keys[3], "numbers of queries and keys")
    check_equal(keys[2], values[2], "positions of keys and values")
    dtype = promote(promote(call.dtype(0), call.dtype(1)), call.dtype(2))
    if len(call.inputs) > 3:
        if call.flag("causal"):
            raise UnfitError("both a mask is given and a causal one is asked for")
        check_dtype(call.dtype(3), FLOATS | {Dtype.BOOL}, "the mask")
        if call.dtype(3) is not Dtype.BOOL and promote(call.dtype(3), dtype) is not dtype:
            raise UnfitError(f"the mask is {call.dtype(3)} and the result {dtype}")
        scores = (queries[0], heads, queries[2], keys[2])
        if broadcast_shapes((call.shape(3), scores)) != scores:
            raise UnfitError(f"the mask of shape {render_shape(call.shape(3))} does not stretch to the scores")
    return (TensorType(dtype, (queries[0], heads, queries[2], values[3])),)


def infer_random_bits(call: Call) -> Types:
    check_dtype(call.dtype(0), {Dtype.UINT32}, "the key")
    if call.shape(0) != (2,):
        raise UnfitError(f"a key of shape {render_shape(call.shape(0))} instead of [2]")
    width = call.integer("width")
    if width not in _BITS:
        raise UnfitError(f"random numbers of {width} bytes")
    return (TensorType(_BITS[width], call.sizes("shape")),)


def _check_finite(call: Call, name: str) -> None:
    if not math.isfinite(call.number(name)):
        raise UnfitError(f"{name} is not finite")
