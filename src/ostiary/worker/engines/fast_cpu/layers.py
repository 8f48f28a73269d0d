"""Layers that compute in float32, whatever their weights are stored as.

A layer becomes one of these where it stands: its class changes, its arrays stay (see `widen`).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from typing import Any, Final

import mlx.core as mx

nn: Final[Any] = importlib.import_module("mlx.nn")
"""Its stubs do not list what it exports."""

PIECE_NUMBERS: Final = 1 << 20
"""So many weights are widened at a time: four MiB, which stay in the processor's cache until they are used."""
_FEW_ROWS: Final = 3
"""MLX multiplies packed weights row by row; unpacking them first pays from so many rows on, as measured."""


class TurnedLinear(nn.Linear):  # type: ignore[misc]
    """Float32 weights, inputs by outputs: the way round in which a single row is multiplied fastest."""

    def __call__(self, x: mx.array) -> mx.array:
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["table"])
        y: mx.array = x @ self["table"]
        return y


class StoredLinear(nn.Linear):  # type: ignore[misc]
    """Weights of 16 bits, widened piece by piece at each use."""

    def __call__(self, x: mx.array) -> mx.array:
        return _add_bias(self, multiply_stored(x, self["weight"]))


class NarrowLinear(nn.Linear):  # type: ignore[misc]
    """Weights of 16 bits, multiplied in 16 bits: without a fast library MLX's own way is the faster one."""

    def __call__(self, x: mx.array) -> mx.array:
        weight = self["weight"]
        return _add_bias(self, (x.astype(weight.dtype) @ weight.T).astype(mx.float32))


class PackedLinear(nn.QuantizedLinear):  # type: ignore[misc]
    """Packed weights, unpacked piece by piece where several rows want them."""

    def __call__(self, x: mx.array) -> mx.array:
        if _count_rows(x) < _FEW_ROWS:
            few: mx.array = super().__call__(x)
            return few
        return _add_bias(self, multiply_packed(x, self))


class StoredEmbedding(nn.Embedding):  # type: ignore[misc]
    """A table of 16 bits, of which only the rows that are looked up are widened."""

    def __call__(self, x: mx.array) -> mx.array:
        looked_up: mx.array = self["weight"][x].astype(mx.float32)
        return looked_up

    def as_linear(self, x: mx.array) -> mx.array:
        return multiply_stored(x, self["weight"])


class PackedEmbedding(nn.QuantizedEmbedding):  # type: ignore[misc]
    """A packed table. Its scales are float32, so that what is looked up is as well."""

    def as_linear(self, x: mx.array) -> mx.array:
        if _count_rows(x) < _FEW_ROWS:
            few: mx.array = super().as_linear(x)
            return few
        return multiply_packed(x, self)


def multiply_stored(x: mx.array, weight: mx.array) -> mx.array:
    """`weight`: outputs by inputs, of 16 bits."""
    pieces = [x @ weight[rows].astype(mx.float32).T for rows in list_pieces(*weight.shape)]
    return pieces[0] if len(pieces) == 1 else mx.concatenate(pieces, axis=-1)


def multiply_packed(x: mx.array, layer: Any) -> mx.array:
    """`layer`: one of MLX's that hold packed weights."""
    inputs = x.shape[-1]
    outputs = layer["weight"].shape[0]
    pieces = [x @ unpack(layer, rows).T for rows in list_pieces(outputs, inputs)]
    return pieces[0] if len(pieces) == 1 else mx.concatenate(pieces, axis=-1)


def unpack(layer: Any, rows: slice) -> mx.array:
    """Some outputs' weights, as float32. Scales are widened first, so that nothing is rounded in between."""
    biases = layer.get("biases")
    scales = layer["scales"][rows]
    unpacked = mx.dequantize(
        layer["weight"][rows],
        scales=_widen(scales),
        biases=None if biases is None else _widen(biases[rows]),
        group_size=layer.group_size,
        bits=layer.bits,
        mode=layer.mode,
    )
    return unpacked.astype(mx.float32)


def list_pieces(outputs: int, inputs: int) -> Iterator[slice]:
    """Rows of a matrix of weights, some at a time."""
    rows = max(1, PIECE_NUMBERS // max(inputs, 1))
    return (slice(start, min(start + rows, outputs)) for start in range(0, outputs, rows))


def _add_bias(layer: Any, y: mx.array) -> mx.array:
    return y + layer["bias"] if "bias" in layer else y


def _widen(array: mx.array) -> mx.array:
    """Scales of 8 bits are exponents and no numbers."""
    return array.astype(mx.float32) if mx.issubdtype(array.dtype, mx.floating) else array


def _count_rows(x: mx.array) -> int:
    return math.prod(x.shape[:-1])
