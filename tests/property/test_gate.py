"""The gate, whatever comes in whatever order: nobody is forgotten, nothing is counted twice or below nothing."""

from __future__ import annotations

from typing import Any

from gate_tools import Hall, make_checked, make_claim
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ostiary.admission import Place, QueueBounds, Room
from ostiary.errors import AdmissionRefused

TENANTS = st.sampled_from(["anna", "ben", "carl", "dora"])


class GateMachine(RuleBasedStateMachine):
    """Requests come, go, are forgotten and too late; the room grows and shrinks; time passes."""

    @initialize(rows=st.integers(1, 12), size=st.integers(0, 60), places=st.integers(2, 12))
    def open(self, rows: int, size: int, places: int) -> None:
        self.room = Room(rows=rows, bytes=size, largest_bytes=size)
        self.hall = Hall(rows, size, QueueBounds(places=places, seconds=50))
        self.places: list[Place] = []
        self.told: set[int] = set()

    @rule(
        tenant=TENANTS,
        rows=st.integers(1, 14),
        need=st.integers(0, 80),
        least=st.integers(0, 70),
        work=st.integers(1, 100),
        weight=st.integers(1, 10),
        timeout=st.none() | st.floats(0.5, 80),
        is_serial=st.booleans(),
    )
    def come(self, tenant: str, timeout: float | None, weight: int, **wanted: Any) -> None:
        wanted["least"] = min(wanted["least"], wanted["need"])
        number = len(self.places)
        hall = self.hall
        try:
            place = hall.gate.enter(
                make_checked(timeout),
                make_claim(tenant, **wanted),
                weight=weight,
                reserve=hall.ledger.reserve,
                on_change=lambda: self.told.add(number),
            )
        except AdmissionRefused as error:
            refused = error
        else:
            refused = None
        if refused is not None:
            assert (refused.code == "ADMISSION_TOO_LARGE") == (wanted["least"] > self.room.largest_bytes)
            assert refused.retry_after_seconds is None or 1 <= refused.retry_after_seconds <= 600
            return
        if place.ticket is not None:
            self.told.add(number)  # it sees that for itself
        self.places.append(place)

    @precondition(lambda self: self.places)
    @rule(data=st.data(), used=st.integers(0, 300))
    def leave(self, data: st.DataObject, used: int) -> None:
        data.draw(st.sampled_from(self.places)).leave(used, used // 2)

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.places)).abandon()

    @rule(seconds=st.floats(0.1, 30))
    def pass_time(self, seconds: float) -> None:
        self.hall.clock.now += seconds
        self.hall.gate.tidy()
        now = self.hall.clock.now
        assert all(not place.is_waiting or place.until > now for place in self.places)

    @invariant()
    def counts_are_those_of_the_places(self) -> None:
        if not hasattr(self, "hall"):
            return
        inside = [place for place in self.places if place.ticket is not None and not place.is_over]
        load = self.hall.gate.load
        assert load.inside == len(inside)
        assert load.rows == sum(place.claim.rows for place in inside)
        assert load.bytes == sum(place.claim.bytes for place in inside)
        assert load.waiting == sum(place.is_waiting for place in self.places)

    @invariant()
    def everybody_who_is_let_in_or_refused_is_told(self) -> None:
        if hasattr(self, "hall"):
            decided = {
                number
                for number, place in enumerate(self.places)
                if place.ticket is not None or place.error is not None
            }
            assert decided <= self.told

    @invariant()
    def an_empty_room_keeps_nobody_waiting(self) -> None:
        if hasattr(self, "hall"):
            load = self.hall.gate.load
            assert load.inside or not load.waiting

    @invariant()
    def reservations_fit(self) -> None:
        if hasattr(self, "hall"):
            load = self.hall.gate.load
            assert load.rows <= self.room.rows
            assert load.bytes <= self.room.bytes

    def teardown(self) -> None:
        """Whoever is inside leaves, again and again: then everybody was served or refused, and settled once."""
        if not hasattr(self, "hall"):
            return
        for _ in range(len(self.places) + 1):
            for place in self.places:
                if place.ticket is not None or place.error is not None:
                    place.leave(1)
        self.hall.gate.tidy()
        assert not any(place.is_waiting for place in self.places)
        load = self.hall.gate.load
        assert (load.inside, load.waiting, load.rows, load.bytes) == (0, 0, 0, 0)
        assert len(self.hall.ledger.settled) == self.hall.ledger.taken


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
