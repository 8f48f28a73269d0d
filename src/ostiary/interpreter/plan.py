"""A graph whose sizes are all known, as a list of steps that only call: all is looked up and judged before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.scope import Scope
from ostiary.graph.values import Graph, Node, TensorType
from ostiary.interpreter.guards import Guard, make_guards
from ostiary.interpreter.operation import Run
from ostiary.interpreter.operations import OPERATIONS
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, count_bytes
from ostiary.interpreter.unfit import GraphUnfit

Values: TypeAlias = list[Any]
"""An array for each value of the graph, once it is made."""
Flags: TypeAlias = list[mx.array]
Step: TypeAlias = Callable[[Values, Flags], None]


class Plan:
    """For one size of each dim. Making arrays with it computes nothing: MLX does that when they are evaluated."""

    def __init__(self, graph: Graph, constants: Sequence[mx.array], proven: Mapping[int, Collection[int]]) -> None:
        """`graph` was bound and checked. `proven`: by number of a node, its inputs whose indices need no guard."""
        self._graph: Final = graph
        self._constants: Final = list(constants)
        self._outputs: Final = [item.value for item in graph.outputs]
        self._is_checked = False
        self.sentences: Final[list[str]] = []
        """What each flag means where it is false."""
        first = len(graph.inputs) + len(constants)
        self._room: Final[Values] = [None] * sum(len(node.outputs) for node in graph.nodes)
        types = graph.list_types()
        self._types: Final = types
        self.output_bytes: Final = sum(count_bytes(types[number]) for number in self._outputs)
        wanted = _find_wanted(graph, first)
        self.steps: Final[list[Step]] = []
        self.nodes: Final[list[int]] = []
        """Which node each step is of."""
        value = first
        for number, node in enumerate(graph.nodes):
            if number in wanted:
                inputs = tuple(types[item] for item in node.inputs)
                call = Call(inputs, node.attributes, Scope({}))
                guards = make_guards(PRIMITIVES[node.op], call, tuple(proven.get(number, ())))
                run = OPERATIONS[node.op](call, node.outputs)
                self.steps.append(_make_step(run, guards, node, value))
                self.nodes.append(number)
                self.sentences.extend(guard.sentence for guard in guards)
            value += len(node.outputs)

    def start(self, inputs: Sequence[mx.array]) -> Values:
        """Room for every value, with those in it that are there from the start."""
        return [*inputs, *self._constants, *self._room]

    def build(self, inputs: Sequence[mx.array]) -> tuple[list[mx.array], Flags]:
        """The outputs, not computed yet, and what has to be true of them once they are."""
        values = [*inputs, *self._constants, *self._room]
        flags: Flags = []
        for step in self.steps:
            step(values, flags)
        if not self._is_checked:
            self.check(values)
        return [values[number] for number in self._outputs], flags

    def pick_outputs(self, values: Values) -> list[mx.array]:
        return [values[number] for number in self._outputs]

    def check(self, values: Values) -> None:
        """Raises GraphUnfit where MLX would make another array than the graph says. Once is enough: sizes stay."""
        for item, array in zip(self._types, values, strict=True):
            if array is not None and (array.shape != item.shape or array.dtype != MLX_DTYPES[item.dtype]):
                raise GraphUnfit("an operation does not give what the table of primitives says")
        self._is_checked = True


def _find_wanted(graph: Graph, first: int) -> set[int]:
    """The nodes that an output needs."""
    values = {item.value for item in graph.outputs}
    starts = []
    value = first
    for node in graph.nodes:
        starts.append(value)
        value += len(node.outputs)
    wanted = set()
    for number in range(len(graph.nodes) - 1, -1, -1):
        node, start = graph.nodes[number], starts[number]
        if any(result in values for result in range(start, start + len(node.outputs))):
            wanted.add(number)
            values.update(node.inputs)
    return wanted


def _make_step(run: Run, guards: Sequence[Guard], node: Node, out: int) -> Step:
    sources = node.inputs
    if guards:
        return _make_guarded(run, [guard.change for guard in guards], sources, out, node.outputs)
    if len(node.outputs) != 1:
        return _make_several(run, sources, out, len(node.outputs))
    if len(sources) == 1:
        return _make_unary(run, sources[0], out)
    if len(sources) == 2:
        return _make_binary(run, sources[0], sources[1], out)
    return _make_any(run, sources, out)


def _make_unary(run: Run, one: int, out: int) -> Step:
    def step(values: Values, _flags: Flags) -> None:
        values[out] = run(values[one])

    return step


def _make_binary(run: Run, one: int, two: int, out: int) -> Step:
    def step(values: Values, _flags: Flags) -> None:
        values[out] = run(values[one], values[two])

    return step


def _make_any(run: Run, sources: Sequence[int], out: int) -> Step:
    def step(values: Values, _flags: Flags) -> None:
        values[out] = run(*[values[number] for number in sources])

    return step


def _make_several(run: Run, sources: Sequence[int], out: int, count: int) -> Step:
    def step(values: Values, _flags: Flags) -> None:
        values[out : out + count] = run(*[values[number] for number in sources])

    return step


def _make_guarded(
    run: Run,
    changes: Sequence[Callable[[list[mx.array]], mx.array]],
    sources: Sequence[int],
    out: int,
    outputs: Sequence[TensorType],
) -> Step:
    count = len(outputs)

    def step(values: Values, flags: Flags) -> None:
        inputs = [values[number] for number in sources]
        for change in changes:
            flags.append(change(inputs))
        if count == 1:
            values[out] = run(*inputs)
        else:
            values[out : out + count] = run(*inputs)

    return step
