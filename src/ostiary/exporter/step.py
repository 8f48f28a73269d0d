"""One operation of the traces about to be written into the graph, with plain questions to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ostiary.core.values import dataclass
from ostiary.exporter.fit_sizes import SizeFitter
from ostiary.exporter.refusals import CannotExpress, CannotFollow
from ostiary.exporter.writer import GraphWriter
from ostiary.graph.dtypes import Dtype
from ostiary.graph.shapes import broadcast_shapes
from ostiary.graph.sizes import Size
from ostiary.graph.values import AttributeValue

Shapes: TypeAlias = tuple[tuple[int, ...], ...]
"""One array's shape in each trace."""
_FOLLOWS = "a number in it follows a size of the inputs in a way that a graph cannot say"


@dataclass(frozen=True, slots=True)
class Step:
    """Values are those of the writer; what is of the traces comes once for each of them."""

    writer: GraphWriter
    fitter: SizeFitter
    name: str
    arguments: tuple[tuple[Any, ...], ...]
    """Of each trace."""
    inputs: tuple[int, ...]
    input_shapes: tuple[Shapes, ...]
    output_dtypes: tuple[Dtype, ...]
    output_shapes: tuple[Shapes, ...]

    def expect(self, count: int) -> None:
        """Refuses where MLX tells another number of arguments than it did when this was written."""
        if any(len(arguments) != count for arguments in self.arguments):
            raise CannotExpress("this release of MLX tells other arguments of it than those that are known")

    def fixed(self, position: int) -> Any:
        """An argument that no size may change."""
        first = self.arguments[0][position]
        if any(arguments[position] != first for arguments in self.arguments):
            raise CannotFollow(_FOLLOWS)
        return first

    def integers(self, position: int) -> tuple[int, ...]:
        return tuple(int(item) for item in self.fixed(position))

    def sizes(self, position: int) -> tuple[Size, ...]:
        """An argument that is a list of numbers, each of which may follow sizes."""
        return self.fit_all([tuple(arguments[position]) for arguments in self.arguments])

    def fit_all(self, seen: Sequence[tuple[int, ...]]) -> tuple[Size, ...]:
        """`seen` has a list of numbers for each trace."""
        return tuple(self.fit(numbers) for numbers in zip(*seen, strict=True))

    def fit(self, seen: Sequence[int]) -> Size:
        near = {size for value in self.inputs for size in self.writer.types[value].shape}
        found = self.fitter.express(tuple(seen), near)
        if found is None:
            raise CannotFollow(_FOLLOWS)
        return found

    def shape(self, position: int) -> tuple[Size, ...]:
        return self.writer.types[self.inputs[position]].shape

    def rank(self, position: int) -> int:
        return len(self.shape(position))

    def output_shape(self, position: int = 0) -> tuple[Size, ...]:
        """As the traces have it: for operations whose result's shape is said with them."""
        return self.fit_all(self.output_shapes[position])

    def write(self, op: str, inputs: Sequence[int] | None = None, **attributes: AttributeValue) -> tuple[int, ...]:
        """The results of a node."""
        numbers = self.writer.add_node(op, self.inputs if inputs is None else inputs, attributes)
        for number in numbers:
            for size in self.writer.types[number].shape:
                self.fitter.note(size)
        return numbers

    def without_stretching(self, inputs: Sequence[int]) -> list[int]:
        """`inputs`, but what was only stretched to the others' shape as it was before: the operation stretches."""
        bare = [self.before_stretching(value) for value in inputs]
        wanted = broadcast_shapes(self.writer.types[value].shape for value in inputs)
        chosen = list(inputs)
        for position, value in enumerate(bare):
            tried = [*chosen[:position], value, *chosen[position + 1 :]]
            if broadcast_shapes(self.writer.types[item].shape for item in tried) == wanted:
                chosen = tried
        return chosen

    def before_stretching(self, value: int) -> int:
        """What was only stretched to become `value`, or `value` itself."""
        maker = self.writer.find_maker(value)
        return maker.inputs[0] if maker is not None and maker.op == "broadcast_to" else value


Rule: TypeAlias = Callable[[Step], Sequence[int]]
"""Writes what a primitive of MLX does; gives its results."""
Rules: TypeAlias = Mapping[str, Rule]


def as_type(item: object) -> Dtype:
    """MLX's dtype, or its name. Raises CannotExpress of one that graphs do not have."""
    name = str(item).rpartition(".")[2]
    if name not in _DTYPES:
        raise CannotExpress(f"numbers as {name}, which graphs do not have")
    return _DTYPES[name]


_DTYPES: Final = {item.value: item for item in Dtype}
