"""The operations of an exported MLX function whose safety follows from the shapes and types alone.

Small on purpose. Whatever indexes, slices, views, scatters, convolves or attends can reach outside its arrays when
its arguments are chosen for it, and is not judged here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from ostiary.core.values import dataclass

# Names and bytes of mlx 0.32.4's types, in the order of its own numbering.
DTYPES: Final = (
    ("BOOL", 1), ("U8", 1), ("U16", 2), ("U32", 4), ("U64", 8), ("I8", 1), ("I16", 2), ("I32", 4), ("I64", 8),
    ("F16", 2), ("F32", 4), ("F64", 8), ("BF16", 2), ("C64", 8),
)  # fmt: skip
_FLOATS: Final = frozenset({"F16", "F32", "BF16"})
_NUMBERS: Final = frozenset(name for name, _ in DTYPES) - {"BOOL", "C64"}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Shape and type of one value in the graph."""

    shape: tuple[int, ...]
    dtype: str


class Argument(Enum):
    """What an operation carries besides its inputs, and so how its record goes on."""

    NOTHING = auto()
    FLAG = auto()
    LOG_BASE = auto()
    SHAPE = auto()
    DTYPE = auto()


class Result(Enum):
    """How the output's type follows from the inputs'."""

    SAME = auto()
    TRUTH = auto()
    ARGUMENT = auto()


@dataclass(frozen=True, slots=True)
class Operation:
    """One known operation."""

    inputs: int
    dtypes: frozenset[str]
    result: Result = Result.SAME
    argument: Argument = Argument.NOTHING


def _table() -> dict[str, Operation]:
    floats = (
        "ArcCos ArcCosh ArcSin ArcSinh ArcTan ArcTanh Ceil Cos Cosh Erf ErfInv Exp Expm1 Floor Log1p Round Sigmoid"
        " Sin Sinh Tan Tanh"
    )
    table = {name: Operation(1, _FLOATS) for name in floats.split()}
    table |= {name: Operation(1, _NUMBERS) for name in "Abs Negative Sign Square StopGradient".split()}
    # Integers divide by zero with a signal, so these are for floats alone.
    table |= {name: Operation(2, _FLOATS) for name in "ArcTan2 Divide LogAddExp Power Remainder".split()}
    table |= {name: Operation(2, _NUMBERS) for name in "Add Maximum Minimum Multiply Subtract".split()}
    compare = "Greater GreaterEqual Less LessEqual NotEqual"
    table |= {name: Operation(2, _NUMBERS, Result.TRUTH) for name in compare.split()}
    table |= {name: Operation(2, frozenset({"BOOL"})) for name in ("LogicalAnd", "LogicalOr")}
    table["LogicalNot"] = Operation(1, frozenset({"BOOL"}))
    table["Equal"] = Operation(2, _NUMBERS, Result.TRUTH, Argument.FLAG)
    table["Sqrt"] = Operation(1, _FLOATS, Result.SAME, Argument.FLAG)
    table["Log"] = Operation(1, _FLOATS, Result.SAME, Argument.LOG_BASE)
    table["Broadcast"] = Operation(1, _NUMBERS, Result.SAME, Argument.SHAPE)
    table["Reshape"] = Operation(1, _NUMBERS, Result.SAME, Argument.SHAPE)
    table["AsType"] = Operation(1, _NUMBERS | {"BOOL"}, Result.ARGUMENT, Argument.DTYPE)
    return table


OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(_table())


def find_misfit(
    name: str, inputs: list[ArrayType], output: ArrayType, argument: tuple[int, ...] | str | None
) -> str | None:
    """Why a known operation cannot be run as it is written, or None. `argument`: its shape or type, if any."""
    operation = OPERATIONS[name]
    if len(inputs) != operation.inputs:
        return f"it has {len(inputs)} inputs and needs {operation.inputs}"
    dtype = inputs[0].dtype
    if dtype not in operation.dtypes or any(value.dtype != dtype for value in inputs):
        return "its inputs have the wrong types"
    expected = {Result.SAME: dtype, Result.TRUTH: "BOOL", Result.ARGUMENT: argument}[operation.result]
    if output.dtype != expected:
        return f"its output is said to be {output.dtype}, not {expected}"
    if operation.argument is not Argument.SHAPE:
        if any(value.shape != output.shape for value in inputs):
            return "its inputs and output have different shapes"
        return None
    if not isinstance(argument, tuple) or not _fits(argument, output.shape, is_open=name == "Reshape"):
        return "its output has another shape than it says"
    if name == "Reshape" and math.prod(inputs[0].shape) != math.prod(output.shape):
        return "it makes a different number of elements"
    if name == "Broadcast" and not _can_broadcast(inputs[0].shape, output.shape):
        return "its input cannot be repeated to that shape"
    return None


def _fits(said: tuple[int, ...], shape: tuple[int, ...], *, is_open: bool) -> bool:
    """Reshape may leave one size open, written as -1."""
    if len(said) != len(shape) or said.count(-1) > is_open:
        return False
    return all(size in {wanted, -1} for size, wanted in zip(said, shape, strict=True))


def _can_broadcast(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if len(shape) > len(target):
        return False
    aligned = zip(shape, target[len(target) - len(shape) :], strict=True)
    return all(size in {1, wanted} for size, wanted in aligned)
