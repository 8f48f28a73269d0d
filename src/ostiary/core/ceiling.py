"""A limit as data: an integer that knows its unit and its reason."""

from __future__ import annotations

from typing import Self


class Ceiling(int):
    """Usable as a plain int; carries what docs/reference/limits.md prints beside it."""

    unit: str
    reason: str

    def __new__(cls, value: int, unit: str, reason: str) -> Self:
        ceiling = super().__new__(cls, value)
        ceiling.unit = unit
        ceiling.reason = reason
        return ceiling
