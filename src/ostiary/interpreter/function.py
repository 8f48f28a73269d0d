"""A graph with its constants, as something to be called. All that a call could do wrong is found out before."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.graph.bind_graph import bind_graph
from ostiary.graph.estimate import estimate_graph
from ostiary.graph.ranges import find_proven
from ostiary.graph.values import Graph
from ostiary.interpreter.bind_inputs import bind_inputs
from ostiary.interpreter.plan import Plan
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, clean_bool
from ostiary.interpreter.unfit import CallTooLarge, GraphUnfit, InputUnfit

_MOST_STEPS: Final = 100_000
"""Of all plans that are kept: some 50 MB."""
_MOST_PLANS: Final = 512
_LEAST_PLANS: Final = 8
_COPIES_OF_INPUTS: Final = 3
"""As they came, each as an array, and several calls put together."""
_COPIES_OF_OUTPUTS: Final = 2
_MOST_MEASURED: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Budget:
    """What one call may take."""

    memory_bytes: int
    """For inputs, results and what operations need, beside the constants."""
    work: int
    """Multiply-adds, or what takes as long."""


class Function:
    """One graph. Knows a plan for each of the last sizes that it was called with. For any number of threads."""

    def __init__(self, graph: Graph, tensors: Mapping[str, mx.array], budget: Budget) -> None:
        """`graph` was checked; `tensors` are those of its file. Raises GraphUnfit."""
        self.graph: Final = graph
        self._budget: Final = budget
        self._constants: Final = take_constants(graph, tensors)
        self._known: Final = _measure(graph, self._constants)
        self._dtypes: Final = tuple(MLX_DTYPES[item.type.dtype] for item in graph.inputs)
        self._lock: Final = Lock()
        by_steps = _MOST_STEPS // max(len(graph.nodes), 1)
        self._most_plans: Final = min(max(by_steps, _LEAST_PLANS), _MOST_PLANS)
        self._plans: Final[OrderedDict[tuple[tuple[int, ...], ...], Plan]] = OrderedDict()

    def call(self, inputs: Sequence[mx.array]) -> list[mx.array]:
        """The outputs, computed. Raises InputUnfit, GraphUnfit, and what MLX raises."""
        return self.find_plan(inputs).run(inputs)

    def find_plan(self, inputs: Sequence[mx.array]) -> Plan:
        """For inputs of these sizes, which are judged where they are new. Raises InputUnfit."""
        if len(inputs) != len(self._dtypes):
            raise InputUnfit(f"{len(inputs)} inputs instead of {len(self._dtypes)}")
        for number, (array, dtype) in enumerate(zip(inputs, self._dtypes, strict=True)):
            if array.dtype != dtype:
                item = self.graph.inputs[number]
                raise InputUnfit(f"input {item.name} has another element type than {item.type.dtype}")
        return self.find_plan_of([array.shape for array in inputs])

    def find_plan_of(self, shapes: Sequence[tuple[int, ...]]) -> Plan:
        """The same by shapes alone: one for each input. Raises InputUnfit."""
        key = tuple(shapes)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                return plan
        plan = self._make_plan(key)
        with self._lock:
            self._plans[key] = plan
            if len(self._plans) > self._most_plans:
                self._plans.popitem(last=False)
        return plan

    def _make_plan(self, shapes: tuple[tuple[int, ...], ...]) -> Plan:
        dims = bind_inputs(self.graph, shapes)
        try:
            bound = bind_graph(self.graph, dims)
        except IntakeRefused as error:
            raise InputUnfit(f"the function does not work for these sizes: {error.message}") from error
        estimate = estimate_graph(bound)
        if estimate.work > self._budget.work:
            raise CallTooLarge(f"it would take {estimate.work:,} multiply-adds; {self._budget.work:,} are allowed")
        around = _COPIES_OF_INPUTS * estimate.input_bytes + _COPIES_OF_OUTPUTS * estimate.output_bytes
        if around > self._budget.memory_bytes:
            there = f"there are {self._budget.memory_bytes:,}"
            raise CallTooLarge(f"its inputs and outputs alone would take {around:,} bytes; {there}")
        proven = find_proven(bound, self._known)
        return Plan(bound, self._constants, proven, self._budget.memory_bytes - around)


def _measure(graph: Graph, constants: Sequence[mx.array]) -> dict[int, tuple[int, int]]:
    """The least and the greatest of constants that could be indices, by number of the value."""
    ends = {
        len(graph.inputs) + number: (mx.min(array), mx.max(array))
        for number, array in enumerate(constants)
        if mx.issubdtype(array.dtype, mx.integer) and 0 < array.size <= _MOST_MEASURED
    }
    mx.eval(list(ends.values()))
    return {number: (_read_integer(low), _read_integer(high)) for number, (low, high) in ends.items()}


def _read_integer(array: mx.array) -> int:
    value: Any = array.item()
    return int(value)


def load_tensors(file: Any) -> dict[str, mx.array]:
    """All tensors of a safetensors file, read now. Raises GraphUnfit, and what MLX raises."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    tensors = mx.load(file, format="safetensors")
    if not isinstance(tensors, dict):
        raise GraphUnfit("the file holds no named tensors")
    if sum(math.prod(array.shape) * array.itemsize for array in tensors.values()) > size:
        raise GraphUnfit("the tensors claim more bytes than their file has")  # MLX multiplies until it wraps around
    mx.eval(list(tensors.values()))
    return tensors


def take_constants(graph: Graph, tensors: Mapping[str, mx.array]) -> list[mx.array]:
    """The constants of a graph in their order; each is as the graph says. Raises GraphUnfit."""
    if set(tensors) != {item.tensor for item in graph.constants}:
        raise GraphUnfit("the tensors are not those that the graph names")
    constants = []
    for item in graph.constants:
        array = tensors[item.tensor]
        if array.shape != item.type.shape or array.dtype != MLX_DTYPES[item.type.dtype]:
            raise GraphUnfit("a tensor has another shape or element type than the graph says")
        constants.append(clean_bool(array) if array.dtype == mx.bool_ else array)
    mx.eval(constants)
    return constants
