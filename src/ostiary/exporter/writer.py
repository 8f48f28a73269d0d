"""A graph as it grows: each operation is inferred when it is added, so sizes come from rules, not from traces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.exporter.array_bytes import read_bytes
from ostiary.exporter.refusals import CannotExpress, CannotFollow
from ostiary.graph.call import UnfitError
from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_graph import infer_node, make_scope
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.sizes import Expression, Size
from ostiary.graph.values import AttributeValue, Constant, Dim, Graph, Input, Node, Output, TensorType


@dataclass(frozen=True, slots=True)
class Written:
    """The graph, and the array behind each of its constants."""

    graph: Graph
    arrays: tuple[mx.array, ...]

    def name_arrays(self) -> dict[str, mx.array]:
        """By the names of their tensors."""
        return {item.tensor: array for item, array in zip(self.graph.constants, self.arrays, strict=True)}

    def replace_dims(self, dims: Sequence[Dim]) -> Written:
        """The same for other bounds."""
        graph = self.graph
        return Written(
            Graph(graph.name, tuple(dims), graph.inputs, graph.constants, graph.nodes, graph.outputs), self.arrays
        )


@dataclass(frozen=True, slots=True)
class _Constant:
    name: str | None
    array: mx.array


class GraphWriter:
    """Values are numbers here, too, in the order of their making; `finish` numbers them as a graph does."""

    def __init__(self, dims: Sequence[Dim]) -> None:
        self._dims = tuple(dims)
        self._scope = make_scope(self._dims)
        self.types: list[TensorType] = []
        self._inputs: dict[int, Input] = {}
        self._constants: dict[int, _Constant] = {}
        self._by_content: dict[tuple[TensorType, str], int] = {}
        self._nodes: list[tuple[Node, tuple[int, ...]]] = []
        self._makers: dict[int, Node] = {}

    def add_input(self, name: str, dtype: Dtype, shape: Sequence[Size]) -> int:
        number = self._add(TensorType(dtype, tuple(shape)))
        self._inputs[number] = Input(name, self.types[number])
        return number

    def add_constant(self, array: mx.array, name: str | None = None) -> int:
        """`name` as its author calls it; None where nobody does, then one of the same bytes is as good."""
        item = TensorType(Dtype(str(array.dtype).rpartition(".")[2]), tuple(array.shape))
        key = (item, name or hashlib.sha256(read_bytes(array)).hexdigest())
        known = self._by_content.get(key)
        if known is not None and name is None:
            return known
        number = self._by_content[key] = self._add(item)
        self._constants[number] = _Constant(name, array)
        return number

    def add_node(self, op: str, inputs: Sequence[int], attributes: Mapping[str, AttributeValue]) -> tuple[int, ...]:
        """Raises CannotExpress where the table does not have it so."""
        if op not in PRIMITIVES:
            raise CannotExpress(f"'{op}' is no operation of the table")
        node = Node(op, tuple(inputs), (), dict(attributes))
        try:
            types = infer_node(node, tuple(self.types[value] for value in inputs), self._scope)
        except UnfitError as error:
            follows = any(isinstance(size, Expression) for value in inputs for size in self.types[value].shape)
            raise (CannotFollow if follows else CannotExpress)(str(error)) from error
        node = Node(op, node.inputs, types, node.attributes)
        numbers = tuple(self._add(item) for item in types)
        self._nodes.append((node, numbers))
        self._makers |= dict.fromkeys(numbers, node)
        return numbers

    def find_maker(self, value: int) -> Node | None:
        """The node that gives it; None of inputs and constants."""
        return self._makers.get(value)

    def read_constant(self, value: int) -> mx.array | None:
        constant = self._constants.get(value)
        return None if constant is None else constant.array

    def _add(self, item: TensorType) -> int:
        self.types.append(item)
        return len(self.types) - 1

    def finish(self, name: str, outputs: Sequence[tuple[str, int]]) -> Written:
        """The graph of what the outputs need."""
        needed = {value for _, value in outputs}
        kept = []
        for node, numbers in reversed(self._nodes):
            if not needed.isdisjoint(numbers):
                needed |= set(node.inputs)
                kept.append((node, numbers))
        kept.reverse()
        constants = self._order_constants(needed, kept, [value for _, value in outputs])
        place = {number: position for position, number in enumerate((*self._inputs, *constants))}
        for _, numbers in kept:
            place |= {number: len(place) + position for position, number in enumerate(numbers)}
        names = _name_constants([self._constants[number] for number in constants])
        graph = Graph(
            name=name,
            dims=self._dims,
            inputs=tuple(self._inputs.values()),
            constants=tuple(
                Constant(tensor, self.types[number]) for tensor, number in zip(names, constants, strict=True)
            ),
            nodes=tuple(
                Node(node.op, tuple(place[value] for value in node.inputs), node.outputs, node.attributes)
                for node, _ in kept
            ),
            outputs=tuple(Output(title, place[value]) for title, value in outputs),
        )
        return Written(graph, tuple(self._constants[number].array for number in constants))

    def _order_constants(
        self, needed: set[int], kept: Sequence[tuple[Node, tuple[int, ...]]], outputs: Sequence[int]
    ) -> list[int]:
        """In the order in which they are used."""
        order = [value for node, _ in kept for value in node.inputs] + list(outputs)
        return [value for value in dict.fromkeys(order) if value in needed and value in self._constants]


def _name_constants(constants: Sequence[_Constant]) -> list[str]:
    taken = {item.name for item in constants if item.name is not None}
    names: list[str] = []
    for item in constants:
        name = item.name
        number = len(names)
        while name is None or (item.name is None and name in taken):
            name = f"constant.{number}"
            number += 1
        taken.add(name)
        names.append(name)
    return names
