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


@dataclass(slots=True, eq=False)
class Member:
    """One caller's events on their way to the disk, and what became of them."""

    events: Sequence[EncodedEvent]
    first: int = -1
    """The number of the first of them."""
    is_done: bool = False
    error: BaseException | None = None


WriteGroup = Callable[[Sequence[Member]], None]
"""Writes the members' events in order, all or nothing, and fills in each member's `first`."""


class GroupWriter:
    """Lets one thread at a time write, in groups."""

    def __init__(self, write_group: WriteGroup) -> None:
        self._write_group = write_group
        self._guard = threading.Lock()
        self._turn = threading.Condition(self._guard)
        self._queue: list[Member] = []
        self._is_writing = False
        self._writes: Sequence[Member] = ()
        """Whose turn it is, or was."""
        self._waiting = 0

    def write(self, events: Sequence[EncodedEvent]) -> int:
        """Returns the number of the first of these events once all are on the disk."""
        member = Member(events)
        group: Sequence[Member] = ()
        try:
            with self._guard:
                self._queue.append(member)
                while self._is_writing and not member.is_done:
                    self._wait()
                if not member.is_done:
                    group = self._writes = self._queue
                    self._queue = []
                    self._is_writing = True
            if group:
                self._write_group(group)
        except BaseException as error:
            for one in group:
                one.error = error
            raise
        finally:
            interruption = None
            while True:  # and no call before `try`: a signal is noticed after calls
                try:
                    self._end_turn(member, group)
                    break
                except BaseException as error:  # noqa: BLE001  a signal: nobody else could write ever again
                    interruption = error
            if interruption is not None:
                raise interruption
        if member.error is not None:
            raise _retell(member.error) from member.error
        return member.first

    def _end_turn(self, member: Member, group: Sequence[Member]) -> None:
        """Any number of times."""
        with self._guard:
            if group:
                for one in group:
                    one.is_done = True
                self._is_writing = self._is_writing and self._writes is not group
                if self._waiting:
                    self._turn.notify_all()
            elif not member.is_done and member in self._queue:
                # Interrupted while it waited, and not yet taken along.
                self._queue.remove(member)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Inside, no other thread writes."""
        with self._guard:
            while self._is_writing:
                self._wait()
            self._is_writing, self._writes = True, ()
        try:
            yield
        finally:
            with self._guard:
                self._is_writing = False
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
