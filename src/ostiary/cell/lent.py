"""Memory that one worker is lent: it can read the data of its calls there, and write the data of its answers.

Two files in memory, mapped by both sides before the worker's wall goes up, of a length that nobody can change. To
the worker the first is read-only: what was checked is what is computed. Out of the second the answer is copied
before anybody looks at it: what is checked then is what is given out. docs/adr/0093-lent-memory.md.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Final, Self

from ostiary._hazmat.memfd import create_memory_file, fix_size
from ostiary._hazmat.reopen import reopen_read_only
from ostiary.cell.arena import PAGE_BYTES, Arena, Pages
from ostiary.core.frames import JsonObject, Tail, map_memory
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_LENT_BYTES, MAX_LENT_IDLE_MS
from ostiary.core.values import dataclass

LARGE_BYTES: Final = 1 << 18
"""From here on it is worth the effort; below, the socket is as fast."""
_SHARE: Final = 4
"""One part in so many of the memory that a worker may have is the most that its calls, or answers, may bring."""
_PIECE_BYTES: Final = 1 << 20
"""Copied at once: others have their turn in between."""
_IDLE_SECONDS: Final = MAX_LENT_IDLE_MS / 1000


@dataclass(frozen=True, slots=True)
class Loan:
    """What one call is lent, for as long as this is held."""

    told: JsonObject
    """For the worker: offset and length of each."""
    given: tuple[memoryview, ...] | None
    """The call's data; None where it goes with the call."""
    room: memoryview | None
    """Where the answer's data may be written. The worker can do so at any time, whatever was agreed."""


class LentMemory:
    """Of one worker. May be used by any thread."""

    def __init__(self, given: _SharedPages, room: _SharedPages, clock: Callable[[], float]) -> None:
        """Use `create`."""
        self._for_worker: tuple[int, ...] = ()
        self._given: Final = Arena(given)
        self.size: Final = self._given.size
        """Of each of the two."""
        self._room: Final = Arena(room)
        self._own: Arena | None = None
        """For what is copied out; nobody else has it."""
        self._clock: Final = clock
        self._used_at: float | None = None

    @classmethod
    def create(cls, memory_bytes: int, clock: Callable[[], float] = time.monotonic) -> Self | None:
        """`memory_bytes`: what the worker may have. None where the system has no such memory."""
        if sys.platform != "linux":
            return None
        size = min(memory_bytes // _SHARE, MAX_LENT_BYTES) // PAGE_BYTES * PAGE_BYTES
        made: list[_SharedPages] = []
        lent: Self | None = None
        try:
            for name in ("ostiary-given", "ostiary-room"):
                made.append(_SharedPages(name, size))
            lent = cls(made[0], made[1], clock)
            lent._for_worker = (reopen_read_only(made[0].descriptor),)
            lent._for_worker += (os.dup(made[1].descriptor),)
        except (OSError, ValueError):
            if lent is not None:
                lent.close()
            for pages in made:
                pages.close()
            return None
        return lent

    @property
    def most_bytes(self) -> int:
        """That the worker may ever have seen as its own, and that are not."""
        return self._given.most_bytes + self._room.most_bytes

    def detach_for_worker(self) -> tuple[int, ...]:
        """Descriptors to be sent to it, once, which the caller owns: of the first without the right to write."""
        detached, self._for_worker = self._for_worker, ()
        return detached

    def take(self, size: int) -> memoryview | None:
        """A place for data that is to go into a call: then it needs not be copied.

        None where nothing is free of what is in memory already: that somebody claims to send so much costs nothing.
        """
        self._used_at = self._clock()
        return self._given.take(size, is_new_too=False)

    def bring(self, views: Sequence[memoryview]) -> list[memoryview] | None:
        """The same bytes where the worker sees them and nobody changes them; None where there is no room."""
        place = self._given.take(sum(map(len, views)))
        if place is None:
            return None
        brought: list[memoryview] = []
        for view in views:
            part, place = place[: len(view)], place[len(view) :]
            _copy(view, part)
            brought.append(part.toreadonly())
        return brought

    def hold_still(self, views: Sequence[memoryview]) -> list[memoryview] | None:
        """As `bring`, where they are large and do not lie there already."""
        if sum(map(len, views)) < LARGE_BYTES or self._find_in_a_row(views) is not None:
            return None
        self._used_at = self._clock()
        return self.bring(views)

    def lend(self, tails: Sequence[Tail], answer_bytes: int) -> Loan | None:
        """For a call with this data; None where nothing of it is large, or there is no room now.

        `answer_bytes`: that its answer has to have.
        """
        try:
            views = [memoryview(tail).cast("B") for tail in tails]
        except TypeError:  # not in one piece, which it is refused for elsewhere
            return None
        size = sum(map(len, views))
        placed = self._place(views) if size >= LARGE_BYTES else None
        room = self._room.take(answer_bytes) if answer_bytes >= LARGE_BYTES else None
        if placed is None and room is None:
            return None
        self._used_at = self._clock()
        given: JsonValue = None if placed is None else [placed[0], size]
        told: JsonObject = {
            "given": given,
            "room": None if room is None else [self._room.place(room), len(room)],
        }
        return Loan(told, None if placed is None else tuple(placed[1]), room)

    def copy_out(self, room: memoryview) -> memoryview:
        """What stands there now, where the worker cannot change it."""
        if self._own is None:
            self._own = _make_own(self.size)
        own = None if self._own is None else self._own.take(len(room))
        if own is None:
            own = memoryview(map_memory(len(room)))
        _copy(room, own)
        return own.toreadonly()

    def trim(self, now: float) -> None:
        """Called now and then: where nothing large came for some time, its pages go back to the system."""
        if self._used_at is not None and now - self._used_at > _IDLE_SECONDS:
            self._used_at = None
            for arena in (self._given, self._room, self._own):
                if arena is not None:
                    arena.trim()

    def close(self) -> None:
        """Nothing new is lent; what was stays as long as somebody holds it. Any number of times."""
        for descriptor in self.detach_for_worker():
            os.close(descriptor)
        for arena in (self._given, self._room, self._own):
            if arena is not None:
                arena.close()

    def forget(self) -> None:
        """As `close`, in a forked child: takes no lock."""
        for descriptor in self.detach_for_worker():
            os.close(descriptor)
        for arena in (self._given, self._room, self._own):
            if arena is not None:
                arena.forget()

    def _place(self, views: Sequence[memoryview]) -> tuple[int, Sequence[memoryview]] | None:
        """Where they lie one behind the other, and what is to be held meanwhile."""
        start = self._find_in_a_row(views)
        if start is not None:
            return start, views
        brought = self.bring(views)
        return None if brought is None else (self._given.place(brought[0]), brought)

    def _find_in_a_row(self, views: Sequence[memoryview]) -> int | None:
        """Where they begin; None where they do not lie in memory that is given, one behind the other."""
        start = self._given.find(views[0])
        if start is None:
            return None
        ends = accumulate(map(len, views), initial=start)
        is_in_a_row = all(self._given.find(view) == end for view, end in zip(views, ends, strict=False) if view)
        return start if is_in_a_row else None


class _OwnPages(Pages):
    """Nobody else's."""

    def __init__(self, size: int) -> None:
        self.mapping: mmap.mmap | None = map_memory(size)

    def provide(self, start: int, end: int) -> None:
        """They come as they are filled."""

    def give_back(self, start: int, end: int) -> None:
        self._advise(mmap.MADV_DONTNEED, start, end)

    def close(self) -> None:
        mapping, self.mapping = self.mapping, None
        if mapping is not None:
            with suppress(BufferError):  # it goes with the last part that somebody holds
                mapping.close()

    def _advise(self, advice: int, start: int, end: int) -> None:
        if self.mapping is not None:
            self.mapping.madvise(advice, start, end - start)


class _SharedPages(_OwnPages):
    """A file in memory."""

    def __init__(self, name: str, size: int) -> None:
        """Raises OSError, and ValueError where it would be empty."""
        self.mapping = None
        self.descriptor = create_memory_file(name)
        try:
            os.ftruncate(self.descriptor, size)
            fix_size(self.descriptor)
            self.mapping = mmap.mmap(self.descriptor, size)
        except BaseException:
            self.close()
            raise

    def provide(self, start: int, end: int) -> None:
        os.posix_fallocate(self.descriptor, start, end - start)  # else a page that cannot be had ends this process

    def give_back(self, start: int, end: int) -> None:
        self._advise(mmap.MADV_REMOVE, start, end)

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        super().close()


def _make_own(size: int) -> Arena | None:
    with suppress(OSError, ValueError):
        return Arena(_OwnPages(size))
    return None


def _copy(source: memoryview, target: memoryview) -> None:
    for start in range(0, len(source), _PIECE_BYTES):
        target[start : start + _PIECE_BYTES] = source[start : start + _PIECE_BYTES]
