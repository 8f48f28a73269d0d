"""One call to a worker, as the application holds it: replies as they come, ended by a result or an error."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self

from ostiary.cell.interrupts import Condition
from ostiary.core.frames import JsonObject, ReplyKind, Tail
from ostiary.core.values import dataclass
from ostiary.errors import CELL_CLOSED, WORKER_SILENT, Misuse, OstiaryError, WorkerSilent


@dataclass(frozen=True, slots=True)
class CellReply:
    """A piece, or the result. From behind the wall: well-formed, bounded and not to be believed."""

    kind: ReplyKind
    body: JsonObject
    tail: Tail = b""


class CallKeeper(Protocol):
    """The process that a call is in flight to."""

    def let_go(self, call_id: int) -> None:
        """The application does not want it any more, or its time is over."""

    def note_taken(self, call_id: int, size: int) -> None:
        """So many bytes of its replies are not waiting any more."""

    def abandon(self, call_id: int) -> None:
        """As `let_go` and `note_taken` of all, from inside the garbage collector: takes no lock."""


class CallInFlight(Iterator[CellReply]):
    """Iterate over it: pieces, then the result. Raises what ended it instead.

    Leaving it early (`close`, a `with`, or no reference left) cancels the call. One thread at a time reads it.
    """

    def __init__(self, keeper: CallKeeper, call_id: int, until: float, on_ready: Callable[[], None] | None) -> None:
        self.id: Final = call_id
        self.until = until
        """When its time is over, on the clock of time.monotonic."""
        self._keeper: Final = keeper
        self._on_ready: Final = on_ready
        self._changed: Final = Condition()
        self._replies: Final[deque[tuple[CellReply, int]]] = deque()
        self._error: OstiaryError | None = None
        self._is_over = False
        """Nothing will be added."""
        self._is_foreign = False

    # --- for the application ---

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> CellReply:
        while True:
            reply = self.take(None)
            if reply is not None:
                return reply

    def take(self, seconds: float | None = 0) -> CellReply | None:
        """The next reply, waiting for it so long; None where none came. Raises StopIteration after the last.

        With the default it never waits: for event loops, which learn of new replies by `on_ready`.
        """
        if self._is_foreign:
            raise Misuse(CELL_CLOSED, "the call was made by the process that this one was forked from")
        with self._changed:
            # The watchdog alone says when its time is over: it knows how long we were stopped ourselves.
            self._changed.wait_for(lambda: bool(self._replies) or self._is_over, seconds)
            if self._replies:
                reply, size = self._replies.popleft()
            elif self._error is not None:
                error, self._error = self._error, None
                raise error
            elif self._is_over:
                raise StopIteration
            else:
                reply, size = None, 0
        if reply is not None:
            self._keeper.note_taken(self.id, size)
        return reply

    def close(self) -> None:
        """Not wanted any more. Any number of times, also when it is over."""
        if self._is_foreign:
            return
        if self._end(None):
            self._keeper.let_go(self.id)
        self._error = None
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_is_over"):
            self._keeper.abandon(self.id)

    # --- for the process it is in flight to ---

    @property
    def is_over(self) -> bool:
        return self._is_over

    @property
    def is_answered(self) -> bool:
        """Whether `take` has something to give, or to raise."""
        return bool(self._replies) or self._is_over

    def deliver(self, reply: CellReply, size: int) -> bool:
        """False where nobody wants it. `size` as the keeper counts it."""
        with self._changed:
            if self._is_over:
                return False
            self._replies.append((reply, size))
            self._is_over = reply.kind is ReplyKind.RESULT
            self._changed.notify()
        self._tell_ready()
        return True

    def fail(self, error: OstiaryError) -> None:
        """Instead of a result. What came before it can still be read."""
        if self._end(error):
            self._tell_ready()

    def expire(self) -> None:
        """Its time is over; the worker may have other calls to go on with. What was not read makes room."""
        if self._end(WorkerSilent(WORKER_SILENT, "the call took longer than it may")):
            self._keeper.let_go(self.id)
            self._drop()
            self._tell_ready()

    def forget(self) -> None:
        """In a forked child, where a thread that is not there may hold the lock."""
        self._is_foreign = True

    def _end(self, error: OstiaryError | None) -> bool:
        with self._changed:
            if self._is_over:
                return False
            self._is_over = True
            self._error = error
            self._changed.notify()
        return True

    def _drop(self) -> None:
        with self._changed:
            size = sum(size for _, size in self._replies)
            self._replies.clear()
        self._keeper.note_taken(self.id, size)

    def _tell_ready(self) -> None:
        if self._on_ready is not None:
            # An event loop that was closed, say. Also what is no Exception: it would end the thread for all cells.
            with suppress(BaseException):
                self._on_ready()
