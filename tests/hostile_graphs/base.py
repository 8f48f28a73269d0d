"""What a hostile graph is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from graph_builder import GraphBuilder


class End(StrEnum):
    UNREADABLE = "the graph is refused as it is read"
    CALL_REFUSED = "the graph is taken and the call refused"
    HARMLESS = "it does what it says"


Tensors = Sequence[tuple[tuple[int, ...], Sequence[float]]]


@dataclass(frozen=True)
class Hostile:
    name: str
    build: Callable[[GraphBuilder], object]
    inputs: Tensors = ()
    end: End = End.CALL_REFUSED

    def make(self) -> GraphBuilder:
        builder = GraphBuilder()
        self.build(builder)
        return builder
