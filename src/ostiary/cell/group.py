"""Several processes of one model, as one: each call goes to the one with the least to do.

One that ended is no matter to the others: calls go to those that run, while it is started again.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ostiary.cell.usage import CellUsage
from ostiary.core.frames import JsonObject, Tail

if TYPE_CHECKING:
    from ostiary.cell.calls import CallInFlight
    from ostiary.cell.limits import CellLimits
    from ostiary.cell.running import RunningCell

_LOOK_SECONDS: Final = 5.0
_STANDINGS: Final = ("running", "resting", "quarantined", "closed")
"""From the best to the worst."""


class CellGroup:
    """As one `RunningCell`. Any number of threads may call at once."""

    def __init__(self, cells: Sequence[RunningCell]) -> None:
        """At least one; whoever opened them closes them."""
        self.cells: Final = tuple(cells)
        self._callees: Final[weakref.WeakKeyDictionary[CallInFlight, RunningCell]] = weakref.WeakKeyDictionary()
        self._changed: Final = threading.Lock()
        self._is_reviving = False
        self._has_more_to_revive = False
        self._looked_at = -_LOOK_SECONDS

    @property
    def facts(self) -> JsonObject:
        """What the engine says of the model. From behind the wall: not to be believed."""
        return self.cells[0].facts

    @property
    def limits(self) -> CellLimits:
        """Of each process."""
        return self.cells[0].limits

    @property
    def layers(self) -> tuple[str, ...]:
        return self.cells[0].layers

    @property
    def root(self) -> str:
        return self.cells[0].root

    @property
    def standing(self) -> str:
        """Of the process that does best, as `RunningCell.standing`."""
        return find_best(self.standings)

    @property
    def standings(self) -> tuple[str, ...]:
        """Of each process."""
        return tuple(cell.standing for cell in self.cells)

    @property
    def last_standings(self) -> tuple[str, ...]:
        """Of each process, without a look at any disk here: where one is quarantined, a thread looks now and then
        whether it was released.
        """
        standings = tuple(cell.last_standing for cell in self.cells)
        if "quarantined" in standings:
            self._look_again()
        return standings

    def call(
        self,
        operation: str,
        body: JsonObject | None = None,
        tail: Tail | tuple[Tail, ...] = (),
        *,
        answer_bytes: int = 0,
        deadline_seconds: float | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> CallInFlight:
        """As `RunningCell.call`, of one of them."""
        cell = self._choose()
        call = cell.call(
            operation,
            body,
            tail,
            answer_bytes=answer_bytes,
            deadline_seconds=deadline_seconds,
            on_ready=on_ready,
        )
        self._note(call, cell)
        return call

    def call_at_once(
        self,
        operation: str,
        body: JsonObject | None = None,
        tail: Tail | tuple[Tail, ...] = (),
        *,
        answer_bytes: int = 0,
        deadline_seconds: float | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> CallInFlight | None:
        """As `RunningCell.call_at_once`, of one of them."""
        cell = self._choose()
        call = cell.call_at_once(
            operation,
            body,
            tail,
            answer_bytes=answer_bytes,
            deadline_seconds=deadline_seconds,
            on_ready=on_ready,
        )
        if call is not None:
            self._note(call, cell)
        return call

    def _note(self, call: CallInFlight, cell: RunningCell) -> None:
        if len(self.cells) > 1:
            with self._changed:
                self._callees[call] = cell

    def take_place(self, size: int) -> memoryview | None:
        """As `RunningCell.take_place`, of the one that would be called now; another one copies what lies there."""
        return self._choose().take_place(size)

    def hold_still(self, parts: Sequence[memoryview]) -> list[memoryview] | None:
        """As `RunningCell.hold_still`, likewise."""
        return self._choose().hold_still(parts)

    def object_to(self, reason: str, call: CallInFlight) -> None:
        """What was answered to this call makes no sense: the process that answered is ended, as malformed."""
        with self._changed:
            cell = self._callees.get(call, self.cells[0])
        cell.object_to(reason)

    def read_usage(self) -> CellUsage:
        """Of all together."""
        usages = [cell.read_usage() for cell in self.cells]
        return CellUsage(
            _add([usage.memory_bytes for usage in usages]),
            _add([usage.cpu_milliseconds for usage in usages]),
            sum(usage.tokens for usage in usages),
            _add([usage.device_bytes for usage in usages]),
            sum(usage.calls for usage in usages),
            sum(usage.requests for usage in usages),
        )

    def revive_soon(self) -> None:
        """Start again what ended, ahead of the next call, in a thread of its own. One such thread at a time."""
        with self._changed:
            self._has_more_to_revive = True
            if self._is_reviving:
                return
            self._is_reviving = True
        try:
            threading.Thread(target=self._revive, name="ostiary-revive", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter ends: then the next call starts it
            with self._changed:
                self._is_reviving = False

    def _look_again(self) -> None:
        now = time.monotonic()
        with self._changed:
            if now - self._looked_at < _LOOK_SECONDS:
                return
            self._looked_at = now
        with suppress(RuntimeError):  # no more threads: the next look is as good
            threading.Thread(target=self._revive_released, name="ostiary-look", daemon=True).start()

    def _revive_released(self) -> None:
        with suppress(Exception):  # what the record says of it, whoever calls next hears
            refused = [cell for cell in self.cells if cell.last_standing == "quarantined"]
            if any(cell.standing != "quarantined" for cell in refused):
                self.revive_soon()

    def _revive(self) -> None:
        while True:
            with self._changed:
                if not self._has_more_to_revive:
                    self._is_reviving = False
                    return
                self._has_more_to_revive = False
            for cell in self.cells:
                with suppress(Exception):  # whoever calls next tries again, and hears why not
                    cell.revive()

    def _choose(self) -> RunningCell:
        if len(self.cells) == 1:
            return self.cells[0]
        running = [cell for cell in self.cells if cell.is_running]
        return min(running or self.cells, key=lambda cell: cell.in_flight)


def find_best(standings: Sequence[str]) -> str:
    """Of processes that share their work."""
    return min(standings, key=_STANDINGS.index)


def _add(numbers: Sequence[int | None]) -> int | None:
    """None where none of them is known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
