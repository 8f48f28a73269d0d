"""Which calls one worker has, and what of its answers waits here. Whatever comes back is held against it."""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from ostiary.cell.answers import parse_error
from ostiary.cell.calls import CallInFlight, CellReply
from ostiary.cell.interrupts import Condition
from ostiary.cell.lent import Loan
from ostiary.core.frames import LAST_CALL_ID, Frame, FrameMalformed, FromWorker, JsonObject, ReplyKind
from ostiary.core.limits import (
    CANCEL_GRACE_MS,
    MAX_ANSWER_BODY_BYTES,
    MAX_CALLS_IN_FLIGHT,
    MAX_FAILURES_BEFORE_REST,
    MAX_FAILURES_OF_A_WORKER,
    MAX_UNREAD_REPLY_BYTES,
)
from ostiary.errors import (
    WORKER_OUT_OF_MEMORY,
    WORKER_SILENT,
    EngineFailed,
    OstiaryError,
    WorkerOutOfMemory,
    WorkerSilent,
)

_GRACE_SECONDS: Final = CANCEL_GRACE_MS / 1000
_REPLY_BYTES: Final = 512
"""What a reply weighs beside its body and tail."""
_CONTAINER_BYTES: Final = 128
"""What a list or a mapping weighs, of which two bytes of JSON make an object."""
_MEMBER_BYTES: Final = 32
"""What a number or a short string weighs, with its place in a list."""


class _InFlight:
    """A call that the worker has not ended yet, whether or not anybody still wants it."""

    def __init__(self, until: float, started_cpu_milliseconds: int) -> None:
        self.until = until
        self.is_sent = False
        """False: the worker has never heard of it."""
        self.started_cpu_milliseconds: Final = started_cpu_milliseconds
        self.let_go_at: float | None = None
        self.pieces = 0
        self.body_bytes = 0
        self.find: Callable[[], CallInFlight | None] = lambda: None
        """Weak: a call that nobody holds is cancelled."""
        self.loan: Loan | None = None
        """Held until the worker ended it: until then it may read there, and write."""


class CallBook:
    """May be used by any thread. Never touches a call while it holds its own lock."""

    def __init__(
        self,
        most_pieces: int,
        cancel: Callable[[int], None],
        has_room: Callable[[], None],
        correlation_id: str = "",
    ) -> None:
        """`cancel` tells the worker; `has_room` is called when there is room again for what it says."""
        self._correlation_id: Final = correlation_id
        self._most_pieces: Final = most_pieces
        self._cancel: Final = cancel
        self._has_room: Final = has_room
        self.copy_out: Callable[[memoryview], memoryview] = lambda room: memoryview(bytes(room))
        """What the worker wrote into memory that it was lent, where it cannot change it any more."""
        self._changed: Final = Condition()
        self._numbers: Final = count()
        self._in_flight: Final[dict[int, _InFlight]] = {}
        self._unread: Final[dict[int, int]] = {}
        self._unread_bytes = 0
        self._abandoned: Final[deque[int]] = deque()
        self._is_closed = False
        self.answered = 0
        """Calls that ended with a result or an error of their own."""
        self._failed = 0
        """Of these, the ones that the engine failed on: no refusals."""

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def is_full(self) -> bool:
        """Whether so much waits here unread that the worker has to wait, too."""
        return self._unread_bytes >= MAX_UNREAD_REPLY_BYTES

    @property
    def is_worn(self) -> bool:
        """Whether the engine failed so often that another worker should go on as soon as this one has no calls."""
        return self._failed >= MAX_FAILURES_BEFORE_REST

    @property
    def is_worn_out(self) -> bool:
        """Whether it has to, calls or not."""
        return self._failed >= MAX_FAILURES_OF_A_WORKER

    def open(
        self, until: float, cpu_milliseconds: int, on_ready: Callable[[], None] | None, *, waits: bool = True
    ) -> CallInFlight | None:
        """A new call; None where the book is closed, as a worn worker's is once it has no calls; and, unless it
        `waits`, where it would have to.

        Raises WorkerSilent where there are too many for too long.
        """
        with self._changed:
            if not waits and (self.is_worn or len(self._in_flight) >= MAX_CALLS_IN_FLIGHT):
                return None
            is_there_room = self._changed.wait_for(
                lambda: len(self._in_flight) < MAX_CALLS_IN_FLIGHT or self._is_closed, until - time.monotonic()
            )
            if self.is_worn and not self._in_flight:
                self._is_closed = True
            if self._is_closed:
                return None
            if not is_there_room:
                raise WorkerSilent(WORKER_SILENT, "the worker is busy with as many calls as it may have")
            call_id = next(self._numbers) % LAST_CALL_ID + 1
            record = _InFlight(until, cpu_milliseconds)
            call = CallInFlight(self, call_id, until, on_ready)
            record.find = weakref.ref(call)
            self._in_flight[call_id] = record
            return call

    def note_sent(self, call_id: int) -> bool:
        """It is about to be sent. False where it is not wanted any more."""
        with self._changed:
            record = self._in_flight.get(call_id)
            if record is not None:
                record.is_sent = True
            return record is not None

    def note_lent(self, call_id: int, loan: Loan) -> None:
        """The worker will hear of it with the call."""
        with self._changed:
            record = self._in_flight.get(call_id)
            if record is not None:
                record.loan = loan

    def forget(self, call_id: int) -> None:
        """The worker never heard of it."""
        with self._changed:
            self._in_flight.pop(call_id, None)
            self._changed.notify_all()

    def close(self, explain: Callable[[int], OstiaryError]) -> None:
        """The worker ended: every call fails, with an error of its own. `explain` is told the processor time at its
        start.
        """
        with self._changed:
            self._is_closed = True
            records = list(self._in_flight.values())
            self._in_flight.clear()
            self._changed.notify_all()
        for record in records:
            call = record.find()
            if call is not None:
                call.fail(explain(record.started_cpu_milliseconds))

    def forget_all(self) -> None:
        """In a forked child; takes no lock."""
        for record in list(self._in_flight.values()):
            call = record.find()
            if call is not None:
                call.forget()

    # --- for the calls ---

    def let_go(self, call_id: int) -> None:
        with self._changed:
            record = self._in_flight.get(call_id)
            if record is None or record.let_go_at is not None:
                return
            if not record.is_sent:  # whoever was about to send it was interrupted, or is too late
                del self._in_flight[call_id]
                self._changed.notify_all()
                return
            record.let_go_at = time.monotonic()
        self._cancel(call_id)

    def note_taken(self, call_id: int, size: int) -> None:
        with self._changed:
            was_full = self.is_full
            before = self._unread.pop(call_id, 0)
            left = max(0, before - size)
            if left:
                self._unread[call_id] = left
            self._unread_bytes += left - before
            is_room_again = was_full and not self.is_full
        if is_room_again:
            self._has_room()

    def abandon(self, call_id: int) -> None:
        self._abandoned.append(call_id)

    # --- for the watchdog ---

    def find_overdue(self, now: float) -> Iterator[tuple[bool, int]]:
        """Lets go of every call whose time is over. Of each call: whether the worker clings to it although it was
        told to let go, and the processor time at its start.
        """
        while self._abandoned:
            call_id = self._abandoned.popleft()
            self.let_go(call_id)
            self.note_taken(call_id, self._unread.get(call_id, 0))
        with self._changed:
            records = list(self._in_flight.items())
            is_heard = not self.is_full
        for call_id, record in records:
            if record.let_go_at is not None and not is_heard:
                record.let_go_at = now  # it may have said so: we are the ones who do not listen
            if record.let_go_at is None and now > record.until:
                call = record.find()
                if call is not None:
                    call.expire()
                self.let_go(call_id)
            is_late = record.let_go_at is not None and now > record.let_go_at + _GRACE_SECONDS
            yield is_late, record.started_cpu_milliseconds

    def extend(self, seconds: float) -> None:
        with self._changed:
            records = list(self._in_flight.values())
        for record in records:
            record.until += seconds
            if record.let_go_at is not None:
                record.let_go_at += seconds
            call = record.find()
            if call is not None:
                call.until = record.until

    # --- for the pump ---

    def take(self, frame: Frame, body: JsonObject) -> None:
        """Raises FrameMalformed where this does not belong here."""
        error = parse_error(body, is_loading=False) if frame.kind == FromWorker.ERROR else None
        size = _weigh(frame)
        with self._changed:
            record = self._check(frame)
            room = record.loan.room if record.loan and frame.kind == FromWorker.RESULT_LENT else None
            size += 0 if room is None else len(room)
            if frame.kind != FromWorker.PIECE:
                del self._in_flight[frame.call_id]
                self.answered += frame.kind != FromWorker.CANCELLED
                self._failed += isinstance(error, EngineFailed | WorkerOutOfMemory)
                self._changed.notify_all()
            if record.let_go_at is not None:
                return
            if error is None:
                self._unread[frame.call_id] = self._unread.get(frame.call_id, 0) + size
                self._unread_bytes += size
        call = record.find()
        if error is not None:
            error.correlation_id = self._correlation_id
            if call is not None:
                call.fail(error)
            return
        kind = ReplyKind.PIECE if frame.kind == FromWorker.PIECE else ReplyKind.RESULT
        tail = frame.tail
        if call is not None and room is not None:
            try:
                tail = self.copy_out(room)
            except (OSError, MemoryError):  # ours, not the worker's: and it has ended the call already
                self.note_taken(frame.call_id, size)
                call.fail(self._no_memory())
                return
        if call is None or not call.deliver(CellReply(kind, body, tail), size):
            self.note_taken(frame.call_id, size)

    def _no_memory(self) -> OstiaryError:
        error = WorkerOutOfMemory(WORKER_OUT_OF_MEMORY, "there was no memory to take its answer")
        error.correlation_id = self._correlation_id
        return error

    def _check(self, frame: Frame) -> _InFlight:
        record = self._in_flight.get(frame.call_id)
        if record is None:
            raise FrameMalformed("an answer to a call that nobody made")
        record.body_bytes += len(frame.body)
        if record.body_bytes > MAX_ANSWER_BODY_BYTES:
            raise FrameMalformed("more than one call may be answered with")
        match frame.kind:
            case FromWorker.PIECE:
                record.pieces += 1
                if record.pieces > self._most_pieces:
                    raise FrameMalformed("more pieces than a call may have")
            case FromWorker.CANCELLED:
                if record.let_go_at is None:
                    raise FrameMalformed("it let go of a call that is wanted")
            case FromWorker.RESULT | FromWorker.ERROR:
                pass
            case FromWorker.RESULT_LENT:
                if record.loan is None or record.loan.room is None or frame.tail:
                    raise FrameMalformed("data in memory that it was not lent")
            case _:
                raise FrameMalformed("a frame at the wrong time")
        return record


def _weigh(frame: Frame) -> int:
    """About how much memory it holds until somebody takes it; at least half of it, and of text hardly more."""
    body = frame.body
    containers = body.count(b"[") + body.count(b"{")
    objects = containers * _CONTAINER_BYTES + body.count(b",") * _MEMBER_BYTES
    return len(body) + objects + len(frame.tail) + _REPLY_BYTES
