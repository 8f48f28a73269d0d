"""One mapping that is given out in parts and taken back when nobody holds them any more.

What was used stays in memory for the next: to get fresh pages takes the kernel several times as long as to fill
them (docs/adr/0093-lent-memory.md). `trim` gives them back.
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from ostiary._hazmat.blocks import cut_block, find_address

PAGE_BYTES: Final = mmap.PAGESIZE
_AHEAD_BYTES: Final = 1 << 20
"""The next may be a little longer: data that was copied comes with a head before it when it is received here."""


class Range(NamedTuple):
    """Whole pages."""

    start: int
    end: int


class Pages(Protocol):
    """What lies under an arena."""

    mapping: mmap.mmap | None
    """None once it was closed."""

    def provide(self, start: int, end: int) -> None:
        """So that writing there cannot fail. Raises OSError where there is no memory."""

    def give_back(self, start: int, end: int) -> None:
        """Nobody holds these. Raises OSError where it cannot be done: then they stay."""

    def close(self) -> None:
        """No more of them are wanted; those that somebody holds stay. Any number of times."""


class Arena:
    """May be used by any thread."""

    def __init__(self, pages: Pages) -> None:
        assert pages.mapping is not None  # noqa: S101  new ones are open
        self._pages: Final = pages
        self._size = self.size = len(pages.mapping)
        self._base: Final = find_address(memoryview(pages.mapping))
        self._lock: Final = threading.Lock()
        self._free = [Range(0, self._size)]
        """By their places; no two of them touch."""
        self._dropped: Final[deque[Range]] = deque()
        self._provided_end = 0
        self.most_bytes = 0
        """That were ever in memory at once."""

    def take(self, size: int, *, is_new_too: bool = True) -> memoryview | None:
        """So many bytes, to be written to: with whatever stood there. None where there is no room.

        `is_new_too`: whether they may take memory that is not in use yet, and time to get it.
        """
        if not self._lock.acquire(blocking=is_new_too):
            return None
        try:
            given = self._find_room(-(-size // PAGE_BYTES) * PAGE_BYTES, is_new_too=is_new_too) if size else None
            mapping = self._pages.mapping
            if given is None or mapping is None:
                return None
            return cut_block(mapping, given.start, size, lambda: self._dropped.append(given))
        finally:
            self._lock.release()

    def find(self, view: memoryview) -> int | None:
        """Where in the mapping it begins; None where it is no part of it."""
        start = find_address(view) - self._base
        return start if start >= 0 and start + len(view) <= self._size else None

    def place(self, view: memoryview) -> int:
        """The same of one that is."""
        return find_address(view) - self._base

    def trim(self) -> None:
        """Give back to the system what lies behind all that is held."""
        with self._lock:
            self._settle()
            last = self._free[-1] if self._free else None
            if last is not None and last.end == self._size and last.start < self._provided_end:
                with suppress(OSError):
                    self._pages.give_back(last.start, self._provided_end)
                    self._provided_end = last.start

    def close(self) -> None:
        """Nothing is given out any more; what was stays as long as somebody holds it."""
        with self._lock:
            self._free, self._size = [], 0
            self._dropped.clear()
            self._pages.close()

    def forget(self) -> None:
        """As `close`, in a forked child: a thread that is not there may hold the lock."""
        self._free, self._size = [], 0
        self._pages.close()

    def _find_room(self, wanted: int, *, is_new_too: bool) -> Range | None:
        self._settle()
        place = next((at for at, free in enumerate(self._free) if free.end - free.start >= wanted), None)
        if place is None:
            return None
        free = self._free[place]
        given = Range(free.start, free.start + wanted)
        if given.end > self._provided_end and not (is_new_too and self._provide(given.end)):
            return None
        self._free[place : place + 1] = [Range(given.end, free.end)] if given.end < free.end else []
        return given

    def _provide(self, wanted: int) -> bool:
        end = min(wanted + _AHEAD_BYTES, self._size)
        try:
            self._pages.provide(self._provided_end, end)
        except OSError:
            return False
        self._provided_end = end
        self.most_bytes = max(self.most_bytes, end)
        return True

    def _settle(self) -> None:
        """Take back what was dropped."""
        while self._dropped and self._size:
            back = self._dropped.popleft()
            place = next((at for at, free in enumerate(self._free) if free.start >= back.end), len(self._free))
            if place < len(self._free) and self._free[place].start == back.end:
                back = Range(back.start, self._free.pop(place).end)
            if place and self._free[place - 1].end == back.start:
                place -= 1
                back = Range(self._free.pop(place).start, back.end)
            self._free.insert(place, back)
