"""Group commit: whoever finds nobody writing becomes the writer and takes along what others brought meanwhile.

So one thread alone pays for no hand-over, and many threads share one fsync. Nothing is acknowledged before the
writer's transaction is on the disk; an interrupted writer fails its whole group.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ostiary.core.values import dataclass
from ostiary.errors import CODES, RECORD_UNWRITABLE, RecordUnwritable
from ostiary.record.entry import EncodedEvent

WriteGroup = Callable[[Sequence[Sequence[EncodedEvent]]], Sequence[int]]
"""Writes the members in order, all or nothing; returns the number of each member's first entry."""


@dataclass(slots=True, eq=False)
class _Member:
    """One caller's events on their way to the disk, and what became of them."""

    events: Sequence[EncodedEvent]
    first: int = -1
    is_done: bool = False
    error: BaseException | None = None


class GroupWriter:
    """Lets one thread at a time write, in groups."""

    def __init__(self, write_group: WriteGroup) -> None:
        self._write_group = write_group
        self._turn = threading.Condition(threading.Lock())
        self._queue: list[_Member] = []
        self._is_writing = False
        self._waiting = 0

    def write(self, events: Sequence[EncodedEvent]) -> int:
        """Returns the number of the first of these events once all are on the disk."""
        member = _Member(events)
        group: Sequence[_Member] = ()
        is_writer = False
        try:
            with self._turn:
                self._queue.append(member)
                while self._is_writing and not member.is_done:
                    self._wait()
                if not member.is_done:
                    is_writer = self._is_writing = True
                    group, self._queue = self._queue, []
            if is_writer:
                for one, first in zip(group, self._write_group([one.events for one in group]), strict=True):
                    one.first = first
        except BaseException as error:
            for one in group:
                one.error = error
            raise
        finally:
            self._end_turn(member, group, is_writer=is_writer)
        if member.error is not None:
            raise _retell(member.error) from member.error
        return member.first

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Inside, no other thread writes."""
        with self._turn:
            while self._is_writing:
                self._wait()
            self._is_writing = True
        try:
            yield
        finally:
            with self._turn:
                self._is_writing = False
                self._turn.notify_all()

    def _end_turn(self, member: _Member, group: Sequence[_Member], *, is_writer: bool) -> None:
        with self._turn:
            if self._queue and member in self._queue:
                self._queue.remove(member)
            if is_writer:
                for one in group:
                    one.is_done = True
                self._is_writing = False
                if self._waiting:
                    self._turn.notify_all()

    def _wait(self) -> None:
        self._waiting += 1
        try:
            self._turn.wait()
        finally:
            self._waiting -= 1


def _retell(error: BaseException) -> RecordUnwritable:
    """The writer's failure, as an exception of this thread's own."""
    if isinstance(error, RecordUnwritable):
        return type(error)(CODES[error.code], error.message, hint=error.hint)
    return RecordUnwritable(RECORD_UNWRITABLE, "the thread that wrote for this one was interrupted")
