"""The two activations that most networks have, by way of powers of two.

MLX's exponential takes 15 nanoseconds for a number on such processors, its power, which is the C library's, 5: in a
prompt that is a tenth of all the time. Both are right to within two units in the last place of float32.
"""

from __future__ import annotations

import math
from typing import Any, Final

import mlx.core as mx

from ostiary.worker.engines.fast_cpu.layers import nn

_LOG2_E: Final = math.log2(math.e)
_CUBE: Final = 0.044715
_INNER: Final = math.sqrt(2 / math.pi)

_plain_silu: Final[Any] = nn.silu
_plain_gelu: Final[Any] = nn.gelu_approx


def use_fast_activations() -> None:
    """For every network of this process that asks `mlx.nn` for them, as those of MLX-LM do."""
    nn.silu, nn.gelu_approx = silu, gelu_approx


def silu(x: mx.array) -> mx.array:
    """x times the logistic function of x."""
    if x.dtype != mx.float32:
        plain: mx.array = _plain_silu(x)
        return plain
    return x / (1 + mx.power(2.0, x * -_LOG2_E))


def gelu_approx(x: mx.array) -> mx.array:
    """The form with a hyperbolic tangent: 1 + tanh(u) is twice the logistic function of twice u."""
    if x.dtype != mx.float32:
        plain: mx.array = _plain_gelu(x)
        return plain
    inner = x * (1 + _CUBE * x * x)
    return x / (1 + mx.power(2.0, inner * (-2 * _INNER * _LOG2_E)))
