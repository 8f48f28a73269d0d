"""The row of the table of primitives: what one operation takes, what it gives and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from ostiary.core.values import dataclass
from ostiary.graph.attributes import Attribute
from ostiary.graph.call import Call
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType


class Hazard(StrEnum):
    """What data, not shapes, can make go wrong; the interpreter guards it."""

    INDEX = "index"
    """An index outside of what it points into reads or writes past its end."""
    DIVISION = "division"
    """An integer division by zero, or of the lowest number by -1, ends the process."""
    EXPONENT = "exponent"
    """An integer raised to a negative power never ends."""
    FACTORISATION = "factorisation"
    """A matrix that cannot be factorised, or is not finite, ends the process."""


@dataclass(frozen=True, slots=True)
class IndexBound:
    """What input number `input` must hold: `lowest` <= each index <= `highest`.

    There is one bound for all indices, or one for each position along the last axis of the indices.
    """

    input: int
    lowest: tuple[Size, ...]
    highest: tuple[Size, ...]


Infer: TypeAlias = Callable[[Call], tuple[TensorType, ...]]
Work: TypeAlias = Callable[[Call, tuple[TensorType, ...]], Size]
Bounds: TypeAlias = Callable[[Call], tuple[IndexBound, ...]]


@dataclass(frozen=True, slots=True)
class Primitive:
    name: str
    family: str
    inputs: tuple[str, ...]
    """What each input is. A name that ends in `?` may be left out, `*` is any number, `+` one or more."""
    attributes: tuple[Attribute, ...]
    infer: Infer
    work: Work
    """Multiply-adds, or what takes as long as one."""
    sentence: str
    hazards: tuple[Hazard, ...] = ()
    bounds: Bounds | None = None
    """Which inputs are indices, and into what."""

    @property
    def fewest_inputs(self) -> int:
        return sum(name[-1] not in "?*" for name in self.inputs)

    @property
    def most_inputs(self) -> int | None:
        """None: as many as a node may have."""
        return None if any(name[-1] in "*+" for name in self.inputs) else len(self.inputs)
