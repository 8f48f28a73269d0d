"""Memory that the cell lends this process: the data of calls is read there, that of answers written.

What the cell says of places is believed. Nothing here keeps a hostile worker from anything: that is how the two
files were opened, and that the cell copies an answer before it looks at it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ostiary.core.json_text import JsonValue


class LentMemory(NamedTuple):
    """Mapped before the wall goes up: behind it nothing of a file can be."""

    given: memoryview
    """Read-only."""
    room: memoryview


class LentPlaces(NamedTuple):
    """Of one call."""

    given: memoryview | None = None
    """Its data."""
    room: memoryview | None = None
    """For the data of its answer, of which it is known how long it is."""


def map_lent(descriptors: Sequence[int], size: int) -> LentMemory:
    """The descriptors are closed."""
    given, room = descriptors
    try:
        return LentMemory(
            memoryview(mmap.mmap(given, size, mmap.MAP_SHARED, mmap.PROT_READ)),
            memoryview(mmap.mmap(room, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)),
        )
    finally:
        os.close(given)
        os.close(room)


def find_places(memory: LentMemory | None, told: JsonValue) -> LentPlaces:
    """`told`: as the call says it."""
    if memory is None or not isinstance(told, Mapping):
        return LentPlaces()
    return LentPlaces(_find(memory.given, told["given"]), _find(memory.room, told["room"]))


def _find(memory: memoryview, place: JsonValue) -> memoryview | None:
    match place:
        case [int(start), int(size)]:
            return memory[start : start + size]
        case _:
            return None
