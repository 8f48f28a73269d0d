"""The gate in front of one model: a request goes in at once, waits its turn for a bounded time, or is refused.

A lock and an injected clock; no threads and no event loop. Whoever leaves lets in who comes next, and those are
told by a callback when nothing is locked. Who waits looks in when its time may be over (`Place.patience_seconds`).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ostiary.admission.claims import Claim, Reservation
from ostiary.admission.fair_queue import FairQueue
from ostiary.admission.measure import Density
from ostiary.admission.pace import Pace
from ostiary.admission.room import Room
from ostiary.core.limits import MAX_OVERTAKEN
from ostiary.core.tickets import AdmittedRequest, CheckedRequest, CheckedTensors
from ostiary.core.values import dataclass
from ostiary.errors import (
    ADMISSION_DEADLINE,
    ADMISSION_OVERLOADED,
    ADMISSION_QUEUE_FULL,
    ADMISSION_TOO_LARGE,
    AdmissionRefused,
)

_ROWS_KEPT: Final = 9
_BYTES_KEPT: Final = 4
"""One part in so many is kept for tenants that have nothing inside: a flood finds its end before the room's."""
_LOOK_SECONDS: Final = 1.0
"""How often who waits looks in: what was abandoned by others is noticed then."""

Checked = CheckedRequest | CheckedTensors


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBounds:
    """Of those who wait for one model."""

    places: int = 512
    """For all tenants together; one of them may have half of it."""
    seconds: float = 60.0
    """Nobody waits longer."""

    @property
    def places_of_one(self) -> int:
        return max(1, self.places // 2)


@dataclass(frozen=True, slots=True)
class GateLoad:
    """How it is now."""

    waiting: int
    inside: int
    rows: int
    bytes: int


class Place:
    """Of one request: in the queue, inside, or over. Any thread may use it, any number of times."""

    def __init__(self, gate: Gate, checked: Checked, claim: Claim, on_change: Callable[[], None] | None) -> None:
        """Use `Gate.enter`."""
        self.claim: Final = claim
        self.checked: Final = checked
        self.ticket: AdmittedRequest | None = None
        """There once it was let in."""
        self.error: AdmissionRefused | None = None
        """Why it never will be."""
        self.reservation: Reservation | None = None
        self.came = 0.0
        self.until = 0.0
        """Then it does not wait any more."""
        self.deadline: float | None = None
        """Then nobody wants the answer any more."""
        self.began = 0.0
        self.overtaken = 0
        self.is_over = False
        self.told: Final = threading.Event()
        self._gate: Final = gate
        self._on_change: Final = on_change

    @property
    def is_waiting(self) -> bool:
        return self.ticket is None and self.error is None and not self.is_over

    @property
    def patience_seconds(self) -> float:
        """So long nothing has to be looked at, unless the callback comes."""
        return min(max(0.0, self.until - self._gate.read_clock()), _LOOK_SECONDS)

    def look(self) -> None:
        """Whether its time is over is judged now, also that of all others."""
        self._gate.tidy()

    def wait(self, seconds: float | None) -> None:
        """Until it is let in or refused, at most so long. For whoever has no event loop."""
        end = None if seconds is None else self._gate.read_clock() + seconds
        while self.is_waiting:
            left = (
                self.patience_seconds if end is None else min(self.patience_seconds, end - self._gate.read_clock())
            )
            if left > 0:
                self.told.wait(left)
            self.look()
            if end is not None and self._gate.read_clock() >= end:
                return

    def claim_ticket(self) -> AdmittedRequest | None:
        """None where it waits, or is over; with the time that is left now. Raises why it was refused."""
        if self.error is not None:
            raise self.error
        if self.ticket is None or self.deadline is None:
            return self.ticket
        return replace(self.ticket, timeout_seconds=max(0.0, self.deadline - self._gate.read_clock()))

    def leave(self, used: int = 0, answer: int = 0) -> None:
        """It is over, and used so many tokens, of which so many were the answer's. The first time counts.

        Its room is somebody else's at once.
        """
        self._gate.leave(self, used, answer)

    def note_prompt(self, tokens: int) -> None:
        """So many the prompt had, as the engine counts."""
        self._gate.density.note(self.claim.tenant, self.claim.characters, tokens)

    def abandon(self) -> None:
        """From inside the garbage collector: takes no lock."""
        self._gate.abandon(self)

    def tell(self) -> None:
        self.told.set()
        if self._on_change is not None:
            with suppress(Exception):  # an event loop that was closed, say
                self._on_change()


class Gate:
    """Of one model, in front of all its processes."""

    def __init__(
        self, room: Room, bounds: QueueBounds | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.room: Final = room
        self._bounds = bounds or QueueBounds()
        self.read_clock: Final = clock
        self._lock: Final = threading.Lock()
        self._queue: Final[FairQueue[Place]] = FairQueue()
        self._pace: Final = Pace()
        self._abandoned: Final[deque[Place]] = deque()
        self.density: Final = Density()
        self._look_at = math.inf
        """Nobody's time is over before."""

    @property
    def load(self) -> GateLoad:
        queue = self._queue
        return GateLoad(queue.waiting, queue.inside, queue.rows, queue.bytes)

    def enter(
        self,
        checked: Checked,
        claim: Claim,
        *,
        weight: int = 1,
        reserve: Callable[[], Reservation] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> Place:
        """Inside at once where there is room and nobody else's turn, else in the queue. Raises AdmissionRefused.

        `reserve` asks the quotas, before the request takes a place. `on_change` is called, from any thread and
        without a lock, when it is let in or refused later.
        """
        room = self.room
        if claim.least_bytes > room.largest_bytes:
            raise _too_large(claim, room)
        place = Place(self, checked, _fit(claim, room), on_change)
        self.tidy()
        reservation = None
        if reserve is not None:
            with self._lock:
                self._check_queue(claim)
            place.reservation = reservation = reserve()
        try:
            self._add(place, weight)
        except BaseException:
            if reservation is not None:
                reservation.settle(0)
            raise
        return place

    def change_bounds(self, bounds: QueueBounds) -> None:
        """For those who come from now on."""
        self._bounds = bounds

    def tidy(self) -> None:
        """Lets go of what was abandoned, refuses whose time is over, and lets in whoever there is room for."""
        while self._abandoned:
            place = self._abandoned.popleft()
            self.leave(place, place.claim.prompt_tokens if place.ticket is not None else 0)
        now = self.read_clock()
        with self._lock:
            told = self._refuse_late(now)
            told += self._let_in()
        _tell(told)

    def leave(self, place: Place, used: int, answer: int = 0) -> None:
        with self._lock:
            if place.is_over:
                return
            place.is_over = True
            if place.ticket is not None:
                now = self.read_clock()
                self._pace.note_end(now, now - place.began, self._queue.inside)
                self._queue.let_out(place.claim, used)
            elif place.error is None:
                self._queue.remove(place)
            told = self._let_in()
        _tell(told)
        place.told.set()
        if place.reservation is not None:
            is_counted = place.claim.tokens > 0
            place.reservation.settle(used if is_counted else 0, answer if is_counted else 0)

    def abandon(self, place: Place) -> None:
        """From inside the garbage collector: takes no lock."""
        self._abandoned.append(place)

    # --- with the lock held ---

    def _add(self, place: Place, weight: int) -> None:
        with self._lock:
            now = self.read_clock()
            timeout = place.checked.timeout_seconds
            place.came = now
            place.deadline = None if timeout is None else now + timeout
            place.until = now + self._bounds.seconds
            if place.deadline is not None:
                place.until = min(place.until, place.deadline)
            self._check_queue(place.claim)
            self._queue.add(place, weight)
            self._look_at = min(self._look_at, place.until)
            told = self._let_in()
            if place in told:  # whoever enters sees that for itself
                told.remove(place)
        _tell(told)

    def _check_queue(self, claim: Claim) -> None:
        """Whether one more may wait, should it have to."""
        queue = self._queue
        if not queue.waiting and self._has_room_for(claim):
            return
        if queue.count(claim.tenant) >= self._bounds.places_of_one:
            share = 1 / max(1, queue.tenants)
            raise AdmissionRefused(
                ADMISSION_QUEUE_FULL,
                f"{queue.count(claim.tenant)} requests of its tenant wait for the model",
                retry_after_seconds=self._foresee(queue.count(claim.tenant), share),
            )
        is_first = not queue.count(claim.tenant)  # for whom the others may have left some room
        if queue.waiting >= (2 if is_first else 1) * self._bounds.places:
            raise AdmissionRefused(
                ADMISSION_OVERLOADED,
                f"{queue.waiting} requests wait for the model",
                retry_after_seconds=self._foresee(queue.waiting, 1.0),
            )

    def _foresee(self, ahead: int, share: float) -> float:
        """In how many seconds so many were let in, if all goes on as it did."""
        return self._pace.foresee(self.read_clock(), ahead, self._queue.inside, share)

    def _has_room_for(self, claim: Claim) -> bool:
        room, queue = self.room, self._queue
        if not queue.inside:
            return True  # what no room is large enough for was refused before
        if claim.is_serial and queue.serial >= room.serial:
            return False
        if queue.rows + claim.rows > room.rows or queue.bytes + claim.bytes > room.bytes:
            return False
        inside, _, _ = queue.inside_of(claim.tenant)
        if not inside:
            return True
        if claim.is_serial and queue.serial >= max(1, room.serial - 1):
            return False
        return (
            queue.rows + claim.rows <= room.rows - room.rows // _ROWS_KEPT
            and queue.bytes + claim.bytes <= room.bytes - room.bytes // _BYTES_KEPT
        )

    def _let_in(self) -> list[Place]:
        """As many as there is room for now. Who finds none may be overtaken so often, and then all wait for it."""
        told: list[Place] = []
        while self._queue.waiting:
            passed: list[Place] = []
            found = None
            for place in self._queue.find_order():
                if self._has_room_for(place.claim):
                    found = place
                    break
                if self._is_at_its_share(place.claim):
                    continue  # others need not wait for what it has too much of
                if place.overtaken >= MAX_OVERTAKEN:
                    break
                passed.append(place)
            if found is None:
                break
            for place in passed:
                place.overtaken += 1
            self._queue.let_in(found)
            now = self.read_clock()
            found.began = now
            found.ticket = AdmittedRequest(
                checked=found.checked,
                tenant=found.claim.tenant,
                reserved_bytes=found.claim.bytes,
                timeout_seconds=None if found.deadline is None else max(0.0, found.deadline - now),
                answer_limit=_limit_answer(found.claim, found.reservation),
            )
            told.append(found)
        return told

    def _is_at_its_share(self, claim: Claim) -> bool:
        """Whether it is kept out by what is kept for those who have nothing inside, or by others of its kind."""
        room, queue = self.room, self._queue
        if claim.is_serial and queue.serial >= max(1, room.serial - 1):
            return True
        fits = queue.rows + claim.rows <= room.rows and queue.bytes + claim.bytes <= room.bytes
        return fits and queue.inside_of(claim.tenant)[0] > 0

    def _refuse_late(self, now: float) -> list[Place]:
        if now < self._look_at:
            return []
        waiting = self._queue.find_all()
        late = [place for place in waiting if now >= place.until]
        self._look_at = min((place.until for place in waiting if now < place.until), default=math.inf)
        for place in late:
            if place.deadline is not None and now >= place.deadline:
                place.error = AdmissionRefused(
                    ADMISSION_DEADLINE, f"it waited {now - place.came:.1f} s", retry_after_seconds=None
                )
            else:
                place.error = AdmissionRefused(
                    ADMISSION_OVERLOADED,
                    f"it waited {now - place.came:.1f} s, which is as long as anybody may",
                    retry_after_seconds=self._foresee(self._queue.waiting, 1.0),
                )
            self._queue.remove(place)
        return late


def _tell(places: list[Place]) -> None:
    for place in places:
        place.tell()


def _fit(claim: Claim, room: Room) -> Claim:
    """What asks for more than all there is, as far as is known here, goes in when nobody else is inside."""
    if claim.rows <= room.rows and claim.bytes <= room.bytes:
        return claim
    return replace(claim, rows=min(claim.rows, room.rows), bytes=min(claim.bytes, room.bytes))


def _limit_answer(claim: Claim, reservation: Reservation | None) -> int | None:
    """In tokens, where its tenant has less left than there may be."""
    if reservation is None or reservation.tokens >= claim.most_tokens:
        return None
    return max(1, (reservation.tokens - claim.prompt_tokens) // claim.rows)


def _too_large(claim: Claim, room: Room) -> AdmissionRefused:
    need, there = math.ceil(claim.least_bytes / (1 << 20)), room.largest_bytes >> 20
    detail = f"{claim.field} makes it need {need:,} MiB at least; there are {there:,} MiB for all requests"
    return AdmissionRefused(ADMISSION_TOO_LARGE, detail, field=claim.field, public_detail=detail)
