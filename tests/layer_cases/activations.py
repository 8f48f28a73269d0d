"""Activations, as functions and as modules."""

from __future__ import annotations

from typing import Final

from layer_cases.base import Case, case

_SHAPE: Final = (3, 5)
_MODULES: Final = (
    "CELU",
    "ELU",
    "HardShrink",
    "HardTanh",
    "Hardswish",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU2",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Step",
    "Tanh",
)
_FUNCTIONS: Final = (
    "celu",
    "elu",
    "gelu",
    "gelu_approx",
    "gelu_fast_approx",
    "hard_shrink",
    "hard_tanh",
    "hardswish",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu2",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "step",
    "tanh",
)


def _module(name: str) -> Case:
    return case(name, lambda _mx, nn: getattr(nn, name)(), _SHAPE)


def _function(name: str) -> Case:
    return case(name, lambda _mx, nn: getattr(nn, name), _SHAPE)


ACTIVATIONS: Final = (
    *map(_module, _MODULES),
    *map(_function, _FUNCTIONS),
    case("GELU", lambda _mx, nn: nn.GELU(), _SHAPE),
    case("GELU", lambda _mx, nn: nn.GELU(approx="precise"), _SHAPE, variant="precise"),
    case("GELU", lambda _mx, nn: nn.GELU(approx="fast"), _SHAPE, variant="fast"),
    case("GLU", lambda _mx, nn: nn.GLU(), (3, 6)),
    case("glu", lambda _mx, nn: nn.glu, (3, 6)),
    case("prelu", lambda mx, nn: lambda x: nn.prelu(x, mx.array([0.25], dtype=x.dtype)), _SHAPE),
    case("CELU", lambda _mx, nn: nn.CELU(0.5), _SHAPE, variant="alpha"),
    case("Softmax", lambda _mx, nn: lambda x: nn.softmax(x, axis=1), (3, 5, 4), variant="middle"),
    case("LogSoftmax", lambda _mx, nn: lambda x: nn.log_softmax(x, axis=0), (3, 5), variant="first"),
)
