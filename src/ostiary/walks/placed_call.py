"""A call to a model's process, from its place before the gate to its last reply. Then its place is free."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.admission import Place
    from ostiary.cell.calls import CallInFlight, CellReply
    from ostiary.core.tickets import AdmittedRequest


class PlacedCall:
    """One thread at a time starts and takes; `let_go` may come from any."""

    def __init__(
        self,
        place: Place,
        begin: Callable[[AdmittedRequest, bool], CallInFlight | None],
        count_used: Callable[[], tuple[int, int]],
    ) -> None:
        """`begin` asks the process; told not to wait, it gives None where it would have to. `count_used`: tokens so
        far, and how many of them are the answer's.
        """
        self.call: CallInFlight | None = None
        """There once it was started."""
        self._place: Final = place
        self._begin: Final = begin
        self._count_used: Final = count_used
        self._lock: Final = threading.Lock()
        self._is_over = False

    @property
    def is_waiting(self) -> bool:
        """Whether its turn did not come yet. What keeps it from coming is told by `start`."""
        return self._place.is_waiting

    @property
    def is_started(self) -> bool:
        return self.call is not None

    @property
    def patience_seconds(self) -> float:
        """Who waits has to look again after so long."""
        return self._place.patience_seconds

    def look(self) -> None:
        self._place.look()

    def start(self) -> None:
        """Waits for its turn, where it did not come yet, and for a process that starts; not for event loops.

        Raises why it never will be started. Once; nothing where it is over.
        """
        self._start(waits=True)

    def start_at_once(self) -> None:
        """As `start`, for event loops: where that would have to wait for anything, it is not started."""
        if not self._place.is_waiting:
            self._start(waits=False)

    def _start(self, *, waits: bool) -> None:
        try:
            if waits:
                self._place.wait(None)
            ticket = self._place.claim_ticket()
            if ticket is None or self._is_over:
                return
            call = self._begin(ticket, waits)
        except BaseException:
            self.let_go()
            raise
        if call is None:
            return
        with self._lock:
            is_wanted = not self._is_over
            if is_wanted:
                self.call = call
        if not is_wanted:
            call.close()

    def begin_again(self) -> bool:
        """Its process is gone, nothing came of it: `start` asks another. False where it is over."""
        with self._lock:
            if self._is_over:
                return False
            self.call = None
        return True

    def take(self, seconds: float | None) -> CellReply | None:
        """As `CallInFlight.take`; None where it was not started and `seconds` does not let it wait for its turn."""
        if self.call is None:
            self._place.wait(seconds)
            if self._place.is_waiting:
                return None
            self.start()
            if self.call is None:
                return None
        return self.call.take(seconds)

    def note_prompt(self, tokens: int) -> None:
        """So many the prompt had, as the engine counts."""
        self._place.note_prompt(tokens)

    def let_go(self) -> None:
        """Over, or not wanted any more: the process hears of it, and the place is somebody else's. Any number of
        times; quick.
        """
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            call = self.call
        try:
            if call is not None:
                call.close()
        finally:
            self._place.leave(*((0, 0) if call is None else self._count_used()))

    def abandon(self) -> None:
        """From inside the garbage collector: takes no lock."""
        self._place.abandon()
