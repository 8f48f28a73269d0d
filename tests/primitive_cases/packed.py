"""Cases of packed matrices, and of the kernels for whole layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx import nn

from ostiary.graph.dtypes import Dtype
from primitive_cases.base import FLOAT, ONE, Case


def _dequantized(mode: str, group: int, bits: int) -> Callable[..., mx.array]:
    return lambda *packed: mx.dequantize(*packed, group_size=group, bits=bits, mode=mode)


def _packed(mode: str, group: int, bits: int) -> dict[str, Any]:
    return {"mode": mode, "group_size": group, "bits": bits}


def _words(count: int) -> list[float]:
    return [float((number * 2_654_435_761) % (1 << 24)) for number in range(count)]


_MODES = [
    ("affine", 32, 4),
    ("affine", 64, 8),
    ("affine", 128, 2),
    ("affine", 64, 3),
    ("mxfp4", 32, 4),
    ("mxfp8", 32, 8),
    ("nvfp4", 16, 4),
]
QUANTIZED = [
    case
    for mode, group, bits in _MODES
    for size in (128,)
    for words in ((3, size * bits // 32),)
    for scales in ((3, size // group),)
    for has_offsets in (mode == "affine",)
    for case in (
        Case(
            "quantize",
            [(3, size)],
            lambda x, m=mode, g=group, b=bits: mx.quantize(x, group_size=g, bits=b, mode=m),
            _packed(mode, group, bits),
            ONE,
        ),
        Case(
            "dequantize",
            [words, scales, *([scales] if has_offsets else [])],
            _dequantized(mode, group, bits),
            {**_packed(mode, group, bits), "dtype": Dtype.FLOAT32 if has_offsets else Dtype.BFLOAT16},
            ONE,
            {0: Dtype.UINT32, **({} if has_offsets else {1: Dtype.UINT8})},
            {0: _words(words[0] * words[1]), **({} if has_offsets else {1: [120.0] * (scales[0] * scales[1])})},
        ),
        Case(
            "quantized_matmul",
            [(2, size), words, scales, *([scales] if has_offsets else [])],
            lambda x, *p, m=mode, g=group, b=bits: (
                x @ mx.dequantize(*p, group_size=g, bits=b, mode=m).astype(x.dtype).T
            ),
            {**_packed(mode, group, bits), "transpose": True},
            ONE,
            {1: Dtype.UINT32, **({} if has_offsets else {2: Dtype.UINT8})},
            {1: _words(words[0] * words[1]), **({} if has_offsets else {2: [120.0] * (scales[0] * scales[1])})},
            rounding=1e-3,
        ),
    )
] + [
    Case(
        "gather_qmm",
        [(2, 1, 64), (3, 5, 8), (3, 5, 2), (3, 5, 2), (2,), (2,)],
        lambda x, w, s, o, _i, _j: mx.stack(
            [
                x[1] @ mx.dequantize(w[2], s[2], o[2], group_size=32, bits=4).T,
                x[0] @ mx.dequantize(w[0], s[0], o[0], group_size=32, bits=4).T,
            ]
        ),
        {**_packed("affine", 32, 4), "transpose": True},
        ONE,
        {1: Dtype.UINT32, 4: Dtype.UINT32, 5: Dtype.UINT32},
        {1: _words(120), 4: [1, 0], 5: [2, 0]},
        rounding=1e-3,
    ),
]


def _attend(queries: mx.array, keys: mx.array, values: mx.array, mask: mx.array | None = None) -> mx.array:
    keys, values = mx.repeat(keys, 2, axis=1), mx.repeat(values, 2, axis=1)
    scores = (queries * 0.5) @ keys.transpose(0, 1, 3, 2)
    if mask is not None:
        scores = mx.where(mask, scores, mx.array(-1e9, scores.dtype)) if mask.dtype == mx.bool_ else scores + mask
    return mx.softmax(scores, axis=-1, precise=True) @ values


_HEADS = [(1, 4, 3, 8), (1, 2, 5, 8), (1, 2, 5, 8)]
FAST = [
    Case("rms_norm", [(3, 8), (8,)], lambda x, w: mx.fast.rms_norm(x, w, 1e-5), {"eps": 1e-5}, rounding=1e-4),
    Case("rms_norm", [(3, 8)], lambda x: mx.fast.rms_norm(x, None, 1e-5), {"eps": 1e-5}, rounding=1e-4),
    Case(
        "layer_norm",
        [(3, 8), (8,), (8,)],
        lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5),
        {"eps": 1e-5},
        rounding=1e-4,
    ),
    Case("layer_norm", [(3, 8)], nn.LayerNorm(8, affine=False), {"eps": 1e-5}, rounding=1e-4),
    Case(
        "rope",
        [(1, 2, 5, 8), ()],
        lambda x, _o: nn.RoPE(8)(x, offset=3),
        {"dims": 8, "traditional": False, "base": 10000.0, "scale": 1.0},
        FLOAT,
        {1: Dtype.INT32},
        {1: [3]},
        rounding=1e-4,
    ),
    Case(
        "rope",
        [(2, 5, 8), ()],
        lambda x, _o: nn.RoPE(4, traditional=True)(x),
        {"dims": 4, "traditional": True, "base": 10000.0, "scale": 1.0},
        FLOAT,
        {1: Dtype.INT32},
        {1: [0]},
        rounding=1e-4,
    ),
    Case("attention", _HEADS, _attend, {"scale": 0.5, "causal": False}, rounding=1e-4),
    Case("attention", [*_HEADS, (3, 5)], _attend, {"scale": 0.5, "causal": False}, rounding=1e-4),
    Case(
        "attention",
        [*_HEADS, (1, 1, 1, 5)],
        _attend,
        {"scale": 0.5, "causal": False},
        FLOAT,
        {3: Dtype.BOOL},
        {3: [1, 0, 1, 1, 0]},
        rounding=1e-4,
    ),
    Case(
        "attention",
        [(1, 4, 5, 8), *_HEADS[1:]],
        lambda q, k, v: _attend(q, k, v, mx.tril(mx.ones((5, 5), mx.bool_))),
        {"scale": 0.5, "causal": True},
        rounding=1e-4,
    ),
]
