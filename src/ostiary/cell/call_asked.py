"""What the application asks of a worker, and how it is sent: its data along with it, or in memory that is lent."""

from __future__ import annotations

from collections.abc import Callable

from ostiary.cell.call_book import CallBook
from ostiary.cell.lent import LentMemory
from ostiary.core.frames import JsonObject, Tail, encode_call
from ostiary.core.values import dataclass


def note_call(
    operation: str,
    body: JsonObject | None,
    tail: Tail | tuple[Tail, ...],
    answer_bytes: int,
    on_ready: Callable[[], None] | None,
) -> CallAsked:
    """As callers say it."""
    tails = tail if isinstance(tail, tuple) else (tail,)
    return CallAsked(operation, {} if body is None else body, tails, answer_bytes, on_ready)


@dataclass(frozen=True, slots=True)
class CallAsked:
    """One call."""

    operation: str
    body: JsonObject
    tails: tuple[Tail, ...] = ()
    """Its data, in parts; none of them changes before the call is over."""
    answer_bytes: int = 0
    """Of data that the answer has to have; 0 where nobody knows."""
    on_ready: Callable[[], None] | None = None

    def write(self, call_id: int, calls: CallBook, lent: LentMemory | None) -> list[Tail]:
        """The buffers of its frame. What it is lent is in the book. Raises FrameUnfit."""
        loan = None if lent is None else lent.lend(self.tails, self.answer_bytes)
        if loan is not None:
            calls.note_lent(call_id, loan)
        is_given = loan is not None and loan.given is not None
        tail: Tail = b""
        if not is_given and self.tails:
            tail = self.tails[0] if len(self.tails) == 1 else b"".join(self.tails)
        return encode_call(call_id, self.operation, self.body, tail, None if loan is None else loan.told)
