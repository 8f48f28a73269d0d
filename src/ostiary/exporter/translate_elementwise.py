"""What MLX's operations on each element are in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.exporter.codes import name_code
from ostiary.exporter.step import Rule, Rules, Step, as_type
from ostiary.graph.dtypes import Dtype

_UNARY: Final = {
    "Abs": "abs",
    "ArcCos": "arccos",
    "ArcCosh": "arccosh",
    "ArcSin": "arcsin",
    "ArcSinh": "arcsinh",
    "ArcTan": "arctan",
    "ArcTanh": "arctanh",
    "BitwiseInvert": "bitwise_invert",
    "Ceil": "ceil",
    "Conjugate": "conjugate",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "ErfInv": "erfinv",
    "Exp": "exp",
    "Expm1": "expm1",
    "Floor": "floor",
    "Imag": "imag",
    "Log1p": "log1p",
    "LogicalNot": "logical_not",
    "Negative": "negative",
    "Real": "real",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Square": "square",
    "Tan": "tan",
    "Tanh": "tanh",
}
_BINARY: Final = {
    "Add": "add",
    "ArcTan2": "arctan2",
    "DivMod": "divmod",
    "Divide": "divide",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
    "Less": "less",
    "LessEqual": "less_equal",
    "LogAddExp": "logaddexp",
    "LogicalAnd": "logical_and",
    "LogicalOr": "logical_or",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Multiply": "multiply",
    "NotEqual": "not_equal",
    "Power": "power",
    "Remainder": "remainder",
    "Select": "select",
    "Subtract": "subtract",
}


def _make_unary(op: str) -> Rule:
    def write(step: Step) -> Sequence[int]:
        step.expect(0)
        return step.write(op)

    return write


def _make_binary(op: str) -> Rule:
    def write(step: Step) -> Sequence[int]:
        step.expect(0)
        return step.write(op, step.without_stretching(step.inputs))

    return write


def _write_abs(step: Step) -> Sequence[int]:
    """MLX's primitive keeps complex numbers complex, and turns them into real ones in a second step."""
    step.expect(0)
    (size,) = step.write("abs")
    if step.output_dtypes[0] is Dtype.COMPLEX64:
        return step.write("as_type", (size,), dtype=Dtype.COMPLEX64)
    return (size,)


def _write_sqrt(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("rsqrt" if step.fixed(0) else "sqrt")


def _write_equal(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("nan_equal" if step.fixed(0) else "equal", step.without_stretching(step.inputs))


def _write_log(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write(name_code("Log", step.fixed(0)))


def _write_bits(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write(name_code("BitwiseBinary", step.fixed(0)), step.without_stretching(step.inputs))


def _write_floor_divide(step: Step) -> Sequence[int]:
    step.expect(0)
    inputs = step.without_stretching(step.inputs)
    if step.output_dtypes[0].is_integer:
        return step.write("floor_divide", inputs)
    return step.write("floor", step.write("divide", inputs))


def _write_as_type(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("as_type", dtype=as_type(step.fixed(0)))


def _write_view(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("view", dtype=as_type(step.fixed(0)))


def _pass_on(step: Step) -> Sequence[int]:
    return step.inputs[: len(step.output_dtypes)]


RULES: Final[Rules] = {
    **{name: _make_unary(op) for name, op in _UNARY.items()},
    **{name: _make_binary(op) for name, op in _BINARY.items()},
    "Abs": _write_abs,
    "AsType": _write_as_type,
    "BitwiseBinary": _write_bits,
    "Contiguous": _pass_on,
    "Copy": _pass_on,
    "Depends": _pass_on,
    "Equal": _write_equal,
    "FloorDivide": _write_floor_divide,
    "Full": _pass_on,
    "Log": _write_log,
    "NaNEqual": _write_equal,
    "Sqrt": _write_sqrt,
    "StopGradient": _pass_on,
    "View": _write_view,
}
