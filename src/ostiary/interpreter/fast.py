"""Calls to MLX for what it has kernels of its own: norms, rotary positions, attention. And random bits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run
from ostiary.interpreter.random_bits import make_random_bits
from ostiary.interpreter.tensor_bytes import read_shape

Types = tuple[TensorType, ...]


def _make_layer_norm(call: Call, _outputs: Types) -> Run:
    eps = call.number("eps")

    def run(x: mx.array, weight: mx.array | None = None, bias: mx.array | None = None) -> mx.array:
        return mx.fast.layer_norm(x, weight, bias, eps)

    return run


def _make_rms_norm(call: Call, _outputs: Types) -> Run:
    eps = call.number("eps")

    def run(x: mx.array, weight: mx.array | None = None) -> mx.array:
        return mx.fast.rms_norm(x, weight, eps)

    return run


def _make_rope(call: Call, _outputs: Types) -> Run:
    dims, traditional, scale = call.integer("dims"), call.flag("traditional"), call.number("scale")
    base = call.number("base")

    def run(x: mx.array, offset: mx.array, frequencies: mx.array | None = None) -> mx.array:
        return mx.fast.rope(
            x,
            dims,
            traditional=traditional,
            base=base if frequencies is None else None,
            scale=scale,
            offset=offset,
            freqs=frequencies,
        )

    return run


def _make_attention(call: Call, _outputs: Types) -> Run:
    options = partial(mx.fast.scaled_dot_product_attention, scale=call.number("scale"))
    if len(call.inputs) > 3:  # queries, keys and values come first
        return lambda queries, keys, values, mask: options(queries, keys, values, mask=mask)
    return partial(options, mask="causal") if call.flag("causal") else options


def _make_random_bits(call: Call, _outputs: Types) -> Run:
    return make_random_bits(read_shape(call.sizes("shape")), call.integer("width"))


FAST: Final[Mapping[str, Make]] = {
    "layer_norm": _make_layer_norm,
    "rms_norm": _make_rms_norm,
    "rope": _make_rope,
    "attention": _make_attention,
    "random_bits": _make_random_bits,
}
