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
from ostiary.interpreter.operations import make_run
from ostiary.interpreter.schedule import make_schedule
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, count_bytes
from ostiary.interpreter.unfit import GraphUnfit, InputUnfit

Values: TypeAlias = list[Any]
"""An array for each value of the graph, once it is made."""
Flags: TypeAlias = list[mx.array]
Step: TypeAlias = Callable[[Values, Flags], None]


class Plan:
    """For one size of each dim."""

    def __init__(
        self, graph: Graph, constants: Sequence[mx.array], proven: Mapping[int, Collection[int]], budget_bytes: int
    ) -> None:
        """`graph` was bound and checked. `proven`: by number of a node, its inputs that need no guard.

        Raises CallTooLarge where a call would take more memory than the budget has.
        """
        self._constants: Final = list(constants)
        self._outputs: Final = [item.value for item in graph.outputs]
        self._types: Final = graph.list_types()
        self._is_checked = False
        self._sentences: Final[list[str]] = []
        """What each flag means where it is false."""
        self._steps: Final[list[Step]] = []
        first = len(graph.inputs) + len(constants)
        starts = _number_values(graph, first)
        self._room: Final[Values] = [None] * (len(self._types) - first)
        nodes = _find_wanted(graph, starts)
        self.schedule: Final = make_schedule(graph, nodes, budget_bytes)
        self.output_bytes: Final = sum(count_bytes(self._types[number]) for number in self._outputs)
        self._pauses: Final = [
            (place, self.schedule.pauses[number])
            for place, number in enumerate(nodes)
            if number in self.schedule.pauses
        ]
        for number in nodes:
            node = graph.nodes[number]
            call = Call(tuple(self._types[item] for item in node.inputs), node.attributes, Scope({}))
            guards = make_guards(PRIMITIVES[node.op], call, proven.get(number, ()))
            run = make_run(node.op, call, node.outputs)
            self._steps.append(_make_step(run, guards, node, starts[number]))
            self._sentences.extend(guard.sentence for guard in guards)

    def run(self, inputs: Sequence[mx.array]) -> list[mx.array]:
        """The outputs, computed. Raises InputUnfit where a guard says no, and what MLX raises."""
        values = [*inputs, *self._constants, *self._room]
        flags: Flags = []
        done = 0
        for place, pause in self._pauses:
            for step in self._steps[done:place]:
                step(values, flags)
            if not self._is_checked:
                self._check(values)
            mx.eval([values[number] for number in pause.needed], flags)
            for number in pause.ended:
                values[number] = None
            done = place
        for step in self._steps[done:] if done else self._steps:
            step(values, flags)
        if not self._is_checked:
            self._check(values)
            self._is_checked = True  # sizes stay
        outputs = [values[number] for number in self._outputs]
        del values  # what only lies there would be kept until all is computed
        mx.eval(outputs, flags)
        for flag, sentence in zip(flags, self._sentences, strict=True):
            if not flag.item():
                raise InputUnfit(sentence)
        return outputs

    def _check(self, values: Values) -> None:
        """Raises GraphUnfit where MLX would make another array than the graph says."""
        for item, array in zip(self._types, values, strict=True):
            if array is not None and (array.shape != item.shape or array.dtype != MLX_DTYPES[item.dtype]):
                raise GraphUnfit("an operation does not give what the table of primitives says")


def _number_values(graph: Graph, first: int) -> list[int]:
    """The number of the first value of each node."""
    starts = []
    for node in graph.nodes:
        starts.append(first)
        first += len(node.outputs)
    return starts


def _find_wanted(graph: Graph, starts: Sequence[int]) -> list[int]:
    """The nodes that an output needs, in their order."""
    values = {item.value for item in graph.outputs}
    wanted = []
    for number in range(len(graph.nodes) - 1, -1, -1):
        node, start = graph.nodes[number], starts[number]
        if any(result in values for result in range(start, start + len(node.outputs))):
            wanted.append(number)
            values.update(node.inputs)
    return wanted[::-1]


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
