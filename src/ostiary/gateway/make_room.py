"""Makes room in the budget of memory for a model that is to be loaded, in turn: others go, or it waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ostiary.errors import CELL_CLOSED, CELL_MEMORY_BUDGET, GATEWAY_NO_ROOM, CellRefused, GatewayRefused, Misuse

if TYPE_CHECKING:
    from ostiary.gateway.kept import Kept
    from ostiary.gateway.memory_budget import MemoryBudget, Share
    from ostiary.gateway.versions import TakeRoom

_MIB: Final = 1 << 20
_LOOK_SECONDS: Final = 1.0
_STAY_TIMES: Final = 4
"""As long as its loading took, so many times a model stays: at most a fifth of all time is then loading. Where that
would be longer than half of what a request may wait, it is that half: else who waits for another never had it.
"""


class RoomMaker:
    """Of one event loop."""

    def __init__(
        self,
        budget: MemoryBudget,
        seconds: float,
        find_idle: Callable[[Kept], Kept | None],
        find_busy: Callable[[Kept], Kept | None],
        unload: Callable[[Kept], Awaitable[None]],
        *,
        count_stay: Callable[[Kept], float | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: that somebody waits for room. `find_idle`: who could go for the one that is named;
        `find_busy`: who could, if nobody else asked it any more; `count_stay`: in how many seconds somebody may
        go who was loaded a moment ago.
        """
        self.seconds = seconds
        self.turn: Final = asyncio.Lock()
        """Of whoever makes room: nobody undoes what another does."""
        self.changed: Final = asyncio.Event()
        """Set when somebody let go of a model, and when one was closed."""
        self._budget: Final = budget
        self._find_idle: Final = find_idle
        self._find_busy: Final = find_busy
        self._unload: Final = unload
        self._count_stay: Final = count_stay
        self._clock: Final = clock

    def let_stay(self, kept: Kept) -> None:
        """It was loaded for somebody who asked it. Whoever asks two models in turn that do not fit together would
        else have them read and compared without end, and take from others the time of disks and processors, and
        each answer's model from whoever asks it next.
        """
        now = self._clock()
        kept.stays_until = now + min(_STAY_TIMES * (now - kept.room_at), self.seconds / 2)

    def make_take_room(self, kept: Kept, share: Share, beside: Share | None = None) -> TakeRoom:
        """For the thread that opens it: waits until the loop made room."""
        loop = asyncio.get_running_loop()

        @contextmanager
        def take_room(need: int) -> Iterator[None]:
            work = self._take_room(kept, share, need, beside)
            try:
                made = asyncio.run_coroutine_threadsafe(work, loop)
            except RuntimeError as error:  # the loop has ended
                work.close()
                raise Misuse(CELL_CLOSED, "the server was stopped") from error
            _await_room(made, loop)
            try:
                yield
            finally:
                share.give_back()

        return take_room

    async def _take_room(self, kept: Kept, share: Share, need: int, beside: Share | None) -> None:
        """`beside`: of the version that it is to replace. That one goes, so only what is more has to be found."""
        if need > self._budget.most_bytes:
            raise never_fits(need, self._budget.most_bytes)
        more = need if beside is None else max(0, need - beside.bytes)
        asked_to_go: list[Kept] = []
        try:
            async with asyncio.timeout(self.seconds), self.turn:
                patient_until = asyncio.get_running_loop().time() + self.seconds / 2
                while not share.take(more):
                    self.changed.clear()
                    idle = self._find_idle(kept)
                    kept.lacks_room = idle is None
                    if idle is not None:
                        await self._unload(idle)
                        continue
                    _check_wanted(kept, beside)
                    if await self._wait(patient_until, self._count_stay(kept)):
                        asked_to_go += self._ask_one_to_go(kept)
                        patient_until += self.seconds / 8
                kept.room_at = self._clock()
        except TimeoutError:
            raise GatewayRefused(GATEWAY_NO_ROOM, "all models at work are in use") from None
        finally:
            kept.lacks_room = False
            for other in asked_to_go:
                other.served.is_leaving = False
            self.changed.set()

    async def _wait(self, patient_until: float, stay: float | None) -> bool:
        """Until something changed, or somebody may go. Whether patience is over without that."""
        loop = asyncio.get_running_loop()
        left = patient_until - loop.time()
        try:
            async with asyncio.timeout(max(0.0, left if stay is None else min(left, stay))):
                await self.changed.wait()  # `wait_for` may forget a cancellation
        except TimeoutError:
            return loop.time() >= patient_until
        return False

    def _ask_one_to_go(self, wanted: Kept) -> list[Kept]:
        """Whose requests come without a pause would keep its place for ever: so it takes no more for a while."""
        busy = self._find_busy(wanted)
        if busy is None:
            return []
        busy.served.is_leaving = True
        self.changed.set()  # it may be idle by now
        return [busy]


def _await_room(made: Future[None], loop: asyncio.AbstractEventLoop) -> None:
    """A loop that ends between two of its turns forgets what it was to do, and tells nobody."""
    while True:
        try:
            return made.result(_LOOK_SECONDS)
        except TimeoutError:
            if not loop.is_running():
                made.cancel()
                raise Misuse(CELL_CLOSED, "the server was stopped") from None


def _check_wanted(kept: Kept, beside: Share | None) -> None:
    """Raises TimeoutError where nobody waits any more for a model that is for demand."""
    if kept.to_serve.is_on_demand and beside is None and not kept.waiting:
        raise TimeoutError


def never_fits(need: int, room: int) -> CellRefused:
    return CellRefused(
        CELL_MEMORY_BUDGET,
        f"the model may need {need // _MIB:,} MiB; the server has {max(0, room) // _MIB:,} MiB for it",
        hint="Give [server] more memory, or the model less by [limits] (docs/admission.md).",
    )
