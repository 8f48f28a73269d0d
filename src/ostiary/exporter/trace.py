"""Has MLX write down what a function computes: its operations, in an order in which each comes after its inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.exporter.refusals import CannotTrace, UnknownOperation

ArrayType: TypeAlias = tuple[str, tuple[int, ...]]
"""The name of its dtype, and its shape."""
Leaves: TypeAlias = list[mx.array]

_NO_STATE: Final = re.compile(r"Unable to get state for primitive (\w+)")
_EVALUATES: Final = "Attempting to eval an array during function transformations"


@dataclass(frozen=True, slots=True)
class Operation:
    """A primitive of MLX with its arguments as MLX tells them. Values are numbers, those of `Trace`."""

    name: str
    arguments: tuple[object, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    types: tuple[ArrayType, ...]
    """Of each value, by its number: inputs, then constants, then results of operations."""
    inputs: int
    constants: tuple[mx.array, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]


def name_dtype(dtype: object) -> str:
    return str(dtype).rpartition(".")[2]


def trace(function: Callable[..., Leaves], examples: Sequence[mx.array]) -> Trace:
    """What `function` computes of arrays like these. Raises CannotTrace, UnknownOperation, or what it raises."""
    told = _Told()
    try:
        mx.export_function(told.take, function, *examples)
    except ValueError as error:
        text = str(error)
        if found := _NO_STATE.search(text):
            raise UnknownOperation(found[1]) from error
        if _EVALUATES in text:
            raise CannotTrace("it looks at the values of an array while it runs") from error
        raise
    return told.put_together()


class _Told:
    """What MLX's callback was told; values carry letters there."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._types: list[ArrayType] = []
        self._inputs = 0
        self._constants: list[mx.array] = []
        self._operations: list[Operation] = []
        self._outputs: list[str] = []

    def take(self, part: dict[str, Any]) -> None:
        kind = part["type"]
        if kind == "inputs":
            for letters, shape, dtype in part["inputs"]:
                self._number(letters, (name_dtype(dtype), tuple(shape)))
            self._inputs = len(self._types)
        elif kind == "outputs":
            self._outputs = [letters for letters, _, _ in part["outputs"]]
        elif kind == "constants":
            for letters, array in part["constants"]:
                self._number(letters, (name_dtype(array.dtype), tuple(array.shape)))
                self._constants.append(array)
        elif kind == "primitive":
            inputs = tuple(self._numbers[letters] for letters, _, _ in part["inputs"])
            outputs = tuple(
                self._number(letters, (name_dtype(dtype), tuple(shape)))
                for letters, shape, dtype in part["outputs"]
            )
            self._operations.append(Operation(part["name"], tuple(part["arguments"]), inputs, outputs))

    def _number(self, letters: str, what: ArrayType) -> int:
        self._numbers[letters] = len(self._types)
        self._types.append(what)
        return self._numbers[letters]

    def put_together(self) -> Trace:
        return Trace(
            tuple(self._types),
            self._inputs,
            tuple(self._constants),
            tuple(self._operations),
            tuple(self._numbers[letters] for letters in self._outputs),
        )
