"""Calls to MLX that compute each element by itself."""

from __future__ import annotations

from collections.abc import Mapping
from operator import methodcaller
from typing import Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run, plainly
from ostiary.interpreter.tensor_bytes import MLX_DTYPES


def _nan_equal(a: mx.array, b: mx.array) -> mx.array:
    both = mx.logical_and(mx.isnan(a), mx.isnan(b))
    return mx.logical_or(mx.equal(a, b), both)


def _make_as_type(call: Call, _outputs: tuple[TensorType, ...]) -> Run:
    return methodcaller("astype", MLX_DTYPES[call.element_type("dtype")])


def _make_view(call: Call, _outputs: tuple[TensorType, ...]) -> Run:
    dtype = MLX_DTYPES[call.element_type("dtype")]
    return lambda x: mx.view(x, dtype)


ELEMENTWISE: Final[Mapping[str, Make]] = {
    "abs": plainly(mx.abs),
    "negative": plainly(mx.negative),
    "sign": plainly(mx.sign),
    "square": plainly(mx.square),
    "floor": plainly(mx.floor),
    "ceil": plainly(mx.ceil),
    "round": plainly(mx.round),
    "logical_not": plainly(mx.logical_not),
    "bitwise_invert": plainly(mx.bitwise_invert),
    "real": plainly(mx.real),
    "imag": plainly(mx.imag),
    "conjugate": plainly(mx.conjugate),
    "sqrt": plainly(mx.sqrt),
    "rsqrt": plainly(mx.rsqrt),
    "exp": plainly(mx.exp),
    "expm1": plainly(mx.expm1),
    "log": plainly(mx.log),
    "log2": plainly(mx.log2),
    "log10": plainly(mx.log10),
    "log1p": plainly(mx.log1p),
    "sin": plainly(mx.sin),
    "cos": plainly(mx.cos),
    "tan": plainly(mx.tan),
    "arcsin": plainly(mx.arcsin),
    "arccos": plainly(mx.arccos),
    "arctan": plainly(mx.arctan),
    "sinh": plainly(mx.sinh),
    "cosh": plainly(mx.cosh),
    "tanh": plainly(mx.tanh),
    "arcsinh": plainly(mx.arcsinh),
    "arccosh": plainly(mx.arccosh),
    "arctanh": plainly(mx.arctanh),
    "erf": plainly(mx.erf),
    "erfinv": plainly(mx.erfinv),
    "sigmoid": plainly(mx.sigmoid),
    "add": plainly(mx.add),
    "subtract": plainly(mx.subtract),
    "multiply": plainly(mx.multiply),
    "divide": plainly(mx.divide),
    "floor_divide": plainly(mx.floor_divide),
    "remainder": plainly(mx.remainder),
    "divmod": plainly(mx.divmod),
    "power": plainly(mx.power),
    "maximum": plainly(mx.maximum),
    "minimum": plainly(mx.minimum),
    "logaddexp": plainly(mx.logaddexp),
    "arctan2": plainly(mx.arctan2),
    "equal": plainly(mx.equal),
    "nan_equal": plainly(_nan_equal),
    "not_equal": plainly(mx.not_equal),
    "less": plainly(mx.less),
    "less_equal": plainly(mx.less_equal),
    "greater": plainly(mx.greater),
    "greater_equal": plainly(mx.greater_equal),
    "logical_and": plainly(mx.logical_and),
    "logical_or": plainly(mx.logical_or),
    "bitwise_and": plainly(mx.bitwise_and),
    "bitwise_or": plainly(mx.bitwise_or),
    "bitwise_xor": plainly(mx.bitwise_xor),
    "left_shift": plainly(mx.left_shift),
    "right_shift": plainly(mx.right_shift),
    "select": plainly(mx.where),
    "as_type": _make_as_type,
    "view": _make_view,
}
