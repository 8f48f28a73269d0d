"""What a graph is once it was read. Everything refers to values by number: inputs, constants, then results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from ostiary.core.values import dataclass
from ostiary.graph.dtypes import Dtype
from ostiary.graph.sizes import Size

GRAPH_FORMAT: Final = "ostiary.graph"
GRAPH_VERSION: Final = 1

AttributeValue: TypeAlias = bool | int | float | str | Dtype | Size | tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    dtype: Dtype
    shape: tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Dim:
    """A size that follows the inputs of a call, within bounds; `max` None is the ceiling on all sizes."""

    name: str
    min: int
    max: int | None


@dataclass(frozen=True, slots=True)
class Input:
    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor of graph.safetensors; its shape has no dims."""

    tensor: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `inputs` are numbers of values, each smaller than the node's own."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[TensorType, ...]
    attributes: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Output:
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Graph:
    name: str
    dims: tuple[Dim, ...]
    inputs: tuple[Input, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    version: int = GRAPH_VERSION

    def list_types(self) -> list[TensorType]:
        """The type of each value, by its number."""
        types = [item.type for item in self.inputs]
        types += [item.type for item in self.constants]
        for node in self.nodes:
            types += node.outputs
        return types
