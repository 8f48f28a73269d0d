"""Writes several traces of one function, made at different sizes, as one graph whose sizes follow its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.core.values import dataclass
from ostiary.exporter.constants import write_constant
from ostiary.exporter.fit_sizes import SizeFitter
from ostiary.exporter.refusals import CannotExpress, UnknownOperation
from ostiary.exporter.step import Rules, Step, as_type
from ostiary.exporter.trace import Operation, Trace
from ostiary.exporter.translate_elementwise import RULES as ELEMENTWISE
from ostiary.exporter.translate_index import RULES as INDEX
from ostiary.exporter.translate_kernels import RULES as KERNELS
from ostiary.exporter.translate_linear import RULES as LINEAR
from ostiary.exporter.translate_shape import RULES as SHAPE
from ostiary.exporter.whole import KEPT
from ostiary.exporter.writer import GraphWriter
from ostiary.graph.sizes import Size, dim
from ostiary.graph.values import Dim

PRIMITIVES_OF_MLX: Final[Rules] = {**ELEMENTWISE, **SHAPE, **INDEX, **LINEAR}
"""What is known of them, by the names that MLX gives them in a trace."""
_RULES: Final[Rules] = {**PRIMITIVES_OF_MLX, **{KEPT + name: rule for name, rule in KERNELS.items()}}


@dataclass(frozen=True, slots=True)
class Symbols:
    """Which sizes of the inputs are dims, and how large those were in each trace."""

    dims: tuple[Dim, ...]
    axes: tuple[Mapping[int, str], ...]
    """For each input, the dims of its axes."""
    bindings: tuple[Mapping[str, int], ...]


class Differs(Exception):
    """What is computed is not the same in two traces, the first one and `other`.

    `operation` is the first one that only one of them has, or has in this way: a number in `shown`, one of the two.
    """

    def __init__(self, other: int, shown: int, operation: int) -> None:
        super().__init__()
        self.other = other
        self.shown = shown
        self.operation = operation


def translate(
    traces: Sequence[Trace], symbols: Symbols, names: Sequence[str], parts: Mapping[int, str]
) -> tuple[GraphWriter, list[int]]:
    """The graph as it was written, and its outputs. Raises CannotExpress, UnknownOperation, Differs.

    `parts` has the author's name of each constant that has one.
    """
    return _Translation(traces, symbols, parts).run(names)


class _Translation:
    def __init__(self, traces: Sequence[Trace], symbols: Symbols, parts: Mapping[int, str]) -> None:
        self._traces = tuple(traces)
        self._parts = parts
        self._symbols = symbols
        self._writer = GraphWriter(symbols.dims)
        self._fitter = SizeFitter(symbols.bindings)
        self._values: dict[int, int] = {}

    def run(self, names: Sequence[str]) -> tuple[GraphWriter, list[int]]:
        first = self._traces[0]
        check_alike(self._traces)
        for number, name in enumerate(names):
            dtype, shape = first.types[number]
            self._values[number] = self._writer.add_input(name, as_type(dtype), self._shape_input(number, shape))
        for position, operation in enumerate(first.operations):
            try:
                results = self._write(position, operation)
            except CannotExpress as error:
                raise type(error)(str(error), position) from error
            self._values |= dict(zip(operation.outputs, results, strict=True))
        return self._writer, [self._find_value(value) for value in first.outputs]

    def _find_value(self, value: int) -> int:
        """The writer's number of a value. A constant is written once it is used, as it may follow sizes."""
        if value not in self._values:
            position = value - self._traces[0].inputs
            arrays = tuple(trace.constants[position] for trace in self._traces)
            self._values[value] = write_constant(self._writer, self._fitter, arrays, self._parts.get(position))
        return self._values[value]

    def _shape_input(self, number: int, shape: Sequence[int]) -> list[Size]:
        axes = self._symbols.axes[number]
        return [dim(axes[axis]) if axis in axes else size for axis, size in enumerate(shape)]

    def _write(self, position: int, operation: Operation) -> Sequence[int]:
        rule = _RULES.get(operation.name)
        if rule is None:
            raise UnknownOperation(operation.name.removeprefix(KEPT))
        step = Step(
            writer=self._writer,
            fitter=self._fitter,
            name=operation.name,
            arguments=tuple(trace.operations[position].arguments for trace in self._traces),
            inputs=tuple(self._find_value(value) for value in operation.inputs),
            input_shapes=tuple(self._list_shapes(value) for value in operation.inputs),
            output_dtypes=tuple(as_type(self._traces[0].types[value][0]) for value in operation.outputs),
            output_shapes=tuple(self._list_shapes(value) for value in operation.outputs),
        )
        results = rule(step)
        self._check(step, results)
        return results

    def _list_shapes(self, value: int) -> tuple[tuple[int, ...], ...]:
        return tuple(trace.types[value][1] for trace in self._traces)

    def _check(self, step: Step, results: Sequence[int]) -> None:
        """What the rules of the table say must be what MLX said, at each size."""
        for value, dtype, shapes in zip(results, step.output_dtypes, step.output_shapes, strict=True):
            item = self._writer.types[value]
            seen = tuple(zip(*shapes, strict=True)) if shapes[0] else ()
            told = tuple(self._fitter.evaluate(size) for size in item.shape)
            if item.dtype is not dtype or told != seen:
                raise CannotExpress("MLX gives a result of another type or shape than the table of primitives says")


def check_alike(traces: Sequence[Trace]) -> None:
    """Raises Differs where two traces have not the same operations, on the same values."""
    first = traces[0]
    for number, other in enumerate(traces[1:], 1):
        names = [[operation.name for operation in item.operations] for item in (first, other)]
        for position, (one, two) in enumerate(zip(*names, strict=False)):
            if one != two:
                raise Differs(number, number, position)
        if len(names[0]) != len(names[1]):
            shorter = min(map(len, names))
            raise Differs(number, number if len(names[1]) > shorter else 0, shorter)
        for position, (before, now) in enumerate(zip(first.operations, other.operations, strict=True)):
            if (before.inputs, before.outputs) != (now.inputs, now.outputs):
                raise Differs(number, number, position)
        if first.outputs != other.outputs or len(first.constants) != len(other.constants):
            raise Differs(number, number, len(names[1]) - 1)
