"""Calls to MLX that multiply and add: products of matrices, packed ones too, convolutions, transforms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run, plainly
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, read_shape

Types = tuple[TensorType, ...]


def _make_addmm(call: Call, _outputs: Types) -> Run:
    alpha, beta = call.number("alpha"), call.number("beta")
    return lambda a, b, c: mx.addmm(c, a, b, alpha, beta)


def _make_gather_mm(_call: Call, outputs: Types) -> Run:
    dtype = MLX_DTYPES[outputs[0].dtype]
    if dtype == mx.float32 or mx.default_device() != mx.cpu:
        return mx.gather_mm

    def run(a: mx.array, b: mx.array, left: mx.array, right: mx.array) -> mx.array:
        """The processor's own knows float32 alone, and says so only as it computes."""
        return mx.gather_mm(a.astype(mx.float32), b.astype(mx.float32), left, right).astype(dtype)

    return run


def _make_convolution(call: Call, _outputs: Types) -> Run:
    return partial(
        mx.conv_general,
        stride=list(call.integers("stride")),
        padding=(list(call.integers("padding_low")), list(call.integers("padding_high"))),
        kernel_dilation=list(call.integers("kernel_dilation")),
        input_dilation=list(call.integers("input_dilation")),
        groups=call.integer("groups"),
        flip=call.flag("flip"),
    )


def _make_hadamard(call: Call, _outputs: Types) -> Run:
    scale = call.number("scale")
    return lambda x: mx.hadamard_transform(x, scale)


def _make_fft(call: Call, outputs: Types) -> Run:
    axes = list(call.integers("axes"))
    if not call.flag("real"):
        return partial(mx.fft.ifftn if call.flag("inverse") else mx.fft.fftn, axes=axes)
    if not call.flag("inverse"):
        return partial(mx.fft.rfftn, axes=axes)
    shape = read_shape(outputs[0].shape)
    return partial(mx.fft.irfftn, s=tuple(shape[axis] for axis in axes), axes=axes)


def _read_packing(call: Call) -> dict[str, Any]:
    return {"group_size": call.integer("group_size"), "bits": call.integer("bits"), "mode": call.word("mode")}


def _make_quantize(call: Call, _outputs: Types) -> Run:
    return partial(mx.quantize, **_read_packing(call))


def _make_dequantize(call: Call, _outputs: Types) -> Run:
    return partial(mx.dequantize, **_read_packing(call), dtype=MLX_DTYPES[call.element_type("dtype")])


def _make_quantized_matmul(call: Call, _outputs: Types) -> Run:
    return partial(mx.quantized_matmul, **_read_packing(call), transpose=call.flag("transpose"))


def _make_gather_qmm(call: Call, _outputs: Types) -> Run:
    options: dict[str, Any] = {**_read_packing(call), "transpose": call.flag("transpose")}

    def run(x: mx.array, words: mx.array, scales: mx.array, *others: mx.array) -> mx.array:
        *offsets, left, right = others
        biases = offsets[0] if offsets else None
        return mx.gather_qmm(x, words, scales, biases, lhs_indices=left, rhs_indices=right, **options)

    return run


LINEAR: Final[Mapping[str, Make]] = {
    "matmul": plainly(mx.matmul),
    "addmm": _make_addmm,
    "gather_mm": _make_gather_mm,
    "convolution": _make_convolution,
    "hadamard_transform": _make_hadamard,
    "fft": _make_fft,
    "quantize": _make_quantize,
    "dequantize": _make_dequantize,
    "quantized_matmul": _make_quantized_matmul,
    "gather_qmm": _make_gather_qmm,
}
