"""Primitives of MLX that graphs do not have, by the names that a trace gives them, and what to do about each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PROCESSOR: Final = "It is traced on a processor, where MLX computes this otherwise; call it without a stream."
_EIGHT_BITS: Final = "MLX does not tell which way it converts; keep bfloat16, or quantize with mode mxfp8."
_CODE: Final = "A kernel of one's own is code, which a graph never carries; write it with operations of MLX."

UNTRACED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BlockMaskedMM": "Multiply the mask in, and use matmul.",
        "Compiled": "Take mx.compile away around what is computed of constants alone.",
        "ConvertFP8": _EIGHT_BITS,
        "ToFP8": _EIGHT_BITS,
        "FromFP8": _EIGHT_BITS,
        "CrossEntropy": _PROCESSOR,
        "CrossEntropyVJP": _PROCESSOR,
        "Custom": _PROCESSOR,
        "CustomKernel": _CODE,
        "CustomTransforms": "It comes of mx.custom_function, or of mx.checkpoint: export the function within.",
        "GatedDeltaUpdate": _PROCESSOR,
        "GatedDeltaUpdateVJP": _PROCESSOR,
        "GatherQQMM": "MLX computes it on graphics processors only; use gather_qmm.",
        "LUF": "MLX does not tell what it gives; use linalg.inv or linalg.qr in place of lu, solve and det.",
        "LayerNorm": _PROCESSOR,
        "LayerNormVJP": _PROCESSOR,
        "Load": "Load what the function needs before it is called, not within it.",
        "NumberOfElements": "It counts without looking at sizes; take x.size or x.shape.",
        "QQMatmul": "MLX computes it on graphics processors only; use quantized_matmul.",
        "RMSNorm": _PROCESSOR,
        "RMSNormVJP": _PROCESSOR,
        "RoPE": _PROCESSOR,
        "ScaledDotProductAttention": _PROCESSOR,
        "ScaledDotProductAttentionVJP": _PROCESSOR,
        "SegmentedMM": "MLX does not tell its arguments; cut the arrays and use matmul.",
    }
)
