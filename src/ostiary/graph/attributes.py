"""Attributes of a primitive: their kinds, as the format spells them."""

from __future__ import annotations

from enum import StrEnum

from ostiary.core.values import dataclass


class AttributeKind(StrEnum):
    """What an attribute holds, and the Python value that it becomes."""

    BOOL = "boolean"
    INTEGER = "integer"
    INTEGERS = "integers"
    FLOAT = "float"
    CHOICE = "word"
    DTYPE = "dtype"
    SIZE = "size"
    SIZES = "sizes"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute; each one of a row stands in every node of it, and no other does."""

    name: str
    kind: AttributeKind
    sentence: str
    choices: tuple[str, ...] = ()
    lowest: int | None = None
    highest: int | None = None
    """Of each integer. Sizes are never negative but where `lowest` says so."""
