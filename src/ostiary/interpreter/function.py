"""A graph with its constants, as something to be called. All that a call could do wrong is found out before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.errors import IntakeRefused
from ostiary.graph.bind_graph import bind_graph
from ostiary.graph.values import Graph
from ostiary.interpreter.bind_inputs import bind_inputs
from ostiary.interpreter.plan import Plan
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, clean_bool
from ostiary.interpreter.unfit import GraphUnfit, InputUnfit

_MOST_PLANS: Final = 64


class Function:
    """One graph. Knows a plan for each of the last sizes that it was called with."""

    def __init__(self, graph: Graph, tensors: Mapping[str, mx.array]) -> None:
        """`graph` was checked; `tensors` are those of its file. Raises GraphUnfit."""
        self.graph: Final = graph
        self._constants: Final = take_constants(graph, tensors)
        self._dtypes: Final = tuple(MLX_DTYPES[item.type.dtype] for item in graph.inputs)
        self._plans: Final[OrderedDict[tuple[tuple[int, ...], ...], Plan]] = OrderedDict()

    def call(self, inputs: Sequence[mx.array]) -> list[mx.array]:
        """The outputs, computed. Raises InputUnfit, GraphUnfit, and what MLX raises."""
        return self.run(self.find_plan(inputs), inputs)

    def run(self, plan: Plan, inputs: Sequence[mx.array]) -> list[mx.array]:
        """`plan`: the one for these inputs. Raises as `call` does."""
        outputs, flags = plan.build(inputs)
        mx.eval(outputs, flags)
        check_flags(plan, flags)
        return outputs

    def find_plan(self, inputs: Sequence[mx.array]) -> Plan:
        """For inputs of these sizes, which are judged where they are new."""
        if len(inputs) != len(self._dtypes):
            raise InputUnfit(f"{len(inputs)} inputs instead of {len(self._dtypes)}")
        shapes = tuple([array.shape for array in inputs])
        for number, (array, dtype) in enumerate(zip(inputs, self._dtypes, strict=True)):
            if array.dtype != dtype:
                item = self.graph.inputs[number]
                raise InputUnfit(f"input {item.name} has another element type than {item.type.dtype}")
        plan = self._plans.get(shapes)
        if plan is None:
            plan = self._plans[shapes] = self._make_plan(shapes)
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(shapes)
        return plan

    def _make_plan(self, shapes: tuple[tuple[int, ...], ...]) -> Plan:
        dims = bind_inputs(self.graph, shapes)
        try:
            bound = bind_graph(self.graph, dims)
        except IntakeRefused as error:
            raise InputUnfit(f"the function does not work for these sizes: {error.message}") from error
        return Plan(bound, self._constants, {})


def load_tensors(file: Any) -> dict[str, mx.array]:
    """All tensors of a safetensors file, read now. Raises GraphUnfit, and what MLX raises."""
    tensors = mx.load(file, format="safetensors")
    if not isinstance(tensors, dict):
        raise GraphUnfit("the file holds no named tensors")
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


def check_flags(plan: Plan, flags: Sequence[mx.array]) -> None:
    """Raises InputUnfit for the first guard that said no."""
    for flag, sentence in zip(flags, plan.sentences, strict=True):
        if not flag.item():
            raise InputUnfit(sentence)
