"""The numbers by which MLX tells kinds of an operation apart, learned from the release that is installed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import mlx.core as mx

from ostiary.exporter.refusals import CannotExpress
from ostiary.graph.infer_quantized import MODES

Try = Callable[[mx.array], mx.array]

_INDEX: Final = (0,)
_REDUCTIONS: Final[Mapping[str, Try]] = {
    "sum": lambda x: mx.sum(x, axis=0),
    "prod": lambda x: mx.prod(x, axis=0),
    "min": lambda x: mx.min(x, axis=0),
    "max": lambda x: mx.max(x, axis=0),
    "all": lambda x: mx.all(x, axis=0),
    "any": lambda x: mx.any(x, axis=0),
}
_SCANS: Final[Mapping[str, Try]] = {
    "cumsum": lambda x: mx.cumsum(x, axis=0),
    "cumprod": lambda x: mx.cumprod(x, axis=0),
    "cummin": lambda x: mx.cummin(x, axis=0),
    "cummax": lambda x: mx.cummax(x, axis=0),
}
_LOGARITHMS: Final[Mapping[str, Try]] = {
    "log": mx.log,
    "log2": mx.log2,
    "log10": mx.log10,
}
_BITS: Final[Mapping[str, Try]] = {
    "bitwise_and": lambda x: mx.bitwise_and(x.astype(mx.int32), x.astype(mx.int32)),
    "bitwise_or": lambda x: mx.bitwise_or(x.astype(mx.int32), x.astype(mx.int32)),
    "bitwise_xor": lambda x: mx.bitwise_xor(x.astype(mx.int32), x.astype(mx.int32)),
    "left_shift": lambda x: mx.left_shift(x.astype(mx.int32), x.astype(mx.int32)),
    "right_shift": lambda x: mx.right_shift(x.astype(mx.int32), x.astype(mx.int32)),
}
_ORDERS: Final[Mapping[str, Try]] = {
    "argmin": lambda x: mx.argmin(x, axis=0),
    "argmax": lambda x: mx.argmax(x, axis=0),
}


def _at(x: mx.array) -> Any:
    return x.at[mx.array(_INDEX)]


def _part(x: mx.array) -> Any:
    return x.at[0:1]


_UPDATES: Final[Mapping[str, Callable[[Any, mx.array], mx.array]]] = {
    "sum": lambda at, y: at.add(y),
    "prod": lambda at, y: at.multiply(y),
    "max": lambda at, y: at.maximum(y),
    "min": lambda at, y: at.minimum(y),
}


def _update(choose: Callable[[mx.array], Any], put: Callable[[Any, mx.array], mx.array]) -> Try:
    def update(x: mx.array) -> mx.array:
        return put(choose(x), x[0:1] * 2)

    return update


def _replace(x: mx.array, where: object) -> mx.array:
    x[where] = x[0:1] * 2
    return x


_SCATTERS: Final[Mapping[str, Try]] = {
    "none": lambda x: _replace(x, mx.array(_INDEX)),
    **{name: _update(_at, put) for name, put in _UPDATES.items()},
}
_SLICE_UPDATES: Final[Mapping[str, Try]] = {
    "none": lambda x: _replace(x, slice(0, 1)),
    **{name: _update(_part, put) for name, put in _UPDATES.items()},
}
_AXIS_SCATTERS: Final[Mapping[str, Try]] = {
    "none": lambda x: mx.put_along_axis(x, mx.zeros((1, 3), mx.int32), x[0:1] * 2, axis=0),
    "sum": mx.grad(lambda y: mx.take_along_axis(y, mx.zeros((1, 3), mx.int32), axis=0).sum()),
}


def _multiply_packed(mode: str) -> Try:
    def multiply(x: mx.array) -> mx.array:
        packed: Any = mx.quantize(mx.zeros((32, 64)), mode=mode)
        mx.eval(packed)  # how they are packed is not traced in each mode
        multiply_packed: Any = mx.quantized_matmul
        product: mx.array = multiply_packed(mx.broadcast_to(x[0:1, 0:1], (1, 64)), *packed, mode=mode)
        return product

    return multiply


_MODES: Final[Mapping[str, Try]] = {mode: _multiply_packed(mode) for mode in MODES}
_FAMILIES: Final[Mapping[str, Mapping[str, Try]]] = {
    "Reduce": _REDUCTIONS,
    "Scan": _SCANS,
    "Log": _LOGARITHMS,
    "BitwiseBinary": _BITS,
    "ArgReduce": _ORDERS,
    "Scatter": _SCATTERS,
    "ScatterAxis": _AXIS_SCATTERS,
    "SliceUpdate": _SLICE_UPDATES,
    "QuantizedMatmul": _MODES,
}
_PLACES: Final = {"QuantizedMatmul": 2}
"""Where among the arguments the number is, if not first."""


def name_code(primitive: str, code: object) -> str:
    """Which kind of `primitive` the number `code` is. Raises CannotExpress of one that nothing here leads to."""
    names = _learn(primitive)
    if code not in names:
        raise CannotExpress(f"a kind of it that is not known (number {code})")
    return names[code]


@functools.cache
def _learn(primitive: str) -> Mapping[object, str]:
    """By tracing a function of each kind."""
    learned: dict[object, str] = {}
    for name, function in _FAMILIES[primitive].items():
        for code in _trace_codes(primitive, function):
            learned.setdefault(code, name)
    return learned


def _trace_codes(primitive: str, function: Try) -> list[object]:
    found: list[object] = []

    def take(part: dict[str, Any]) -> None:
        if part["type"] == "primitive" and part["name"] == primitive:
            found.append(part["arguments"][_PLACES.get(primitive, 0)])

    mx.export_function(take, function, mx.zeros((2, 3)))
    return found
