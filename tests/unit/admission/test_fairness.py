"""A flood by one tenant and the first token of another: the gate and the engine's turns, on a clock turned by hand.

The engine here computes nothing. It takes as long as a processor would, in units of one token of a long prompt: each
chunk and each pass costs as much as twenty tokens for the weights, each row of a pass two.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field

import pytest
from gate_tools import HandClock, make_checked, make_claim

from ostiary.admission import Gate, Place, QueueBounds, Room
from ostiary.errors import AdmissionRefused
from ostiary.worker.engines.language.turns import Turns

CHUNK, WEIGHTS, ROW = 128, 20, 2


@dataclass(eq=False)
class Work:
    """One request, from coming to its last token."""

    tenant: str
    prompt: int
    answer: int
    came: float
    place: Place | None = None
    read: int = 0
    written: int = 0
    first: float | None = None
    has_begun: bool = False


@dataclass
class Machine:
    """A gate, an engine behind it, and clients that ask again as soon as they are answered."""

    rows: int = 72
    has_turns: bool = True
    clock: HandClock = field(default_factory=HandClock)
    waiting: list[Work] = field(default_factory=list)
    inside: deque[Work] = field(default_factory=deque)
    done: list[Work] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        room = Room(rows=self.rows, bytes=1 << 40, largest_bytes=1 << 40)
        self.gate = Gate(room, QueueBounds(places=512, seconds=1e9), clock=self.clock)
        self.turns = Turns()

    def ask(self, tenant: str, prompt: int, answer: int) -> Work:
        work = Work(tenant, prompt, answer, self.clock.now)
        try:
            work.place = self.gate.enter(make_checked(), make_claim(tenant, work=prompt + answer))
        except AdmissionRefused:
            self.refused += 1
        else:
            self.waiting.append(work)
        return work

    def step(self) -> list[Work]:
        """One of the engine's: a pass for all answers, a chunk of prompt. Those that ended with it."""
        for work in [work for work in self.waiting if work.place is not None and work.place.ticket is not None]:
            self.waiting.remove(work)
            self.inside.append(work)
        if self.has_turns:
            self.turns.begin_step(list(self.inside))
        writing = [work for work in self.inside if work.read == work.prompt and self.turns.may_go_on(work)]
        reading = self.turns.order([work for work in self.inside if work.read < work.prompt])
        cost = WEIGHTS + ROW * len(writing) if writing else 0
        if reading:
            size = min(CHUNK, reading[0].prompt - reading[0].read)
            cost += WEIGHTS + size
            reading[0].read += size
            if self.has_turns:
                self.turns.note_read(reading[:1])
            self.inside.remove(reading[0])
            self.inside.append(reading[0])
        self.clock.now += cost or 1
        for work in writing:
            work.written += 1
            work.has_begun = True
            work.first = work.first or self.clock.now
        ended = [work for work in writing if work.written == work.answer]
        for work in ended:
            self.inside.remove(work)
            assert work.place is not None
            work.place.leave(work.prompt + work.answer)
        self.done += ended
        return ended


def _wait_for_first(machine: Machine, work: Work, flood: tuple[int, int] | None) -> float:
    while work.first is None:
        for ended in machine.step():
            if flood is not None and ended.tenant == "anna":
                machine.ask("anna", *flood)
    return work.first - work.came


def _measure(prompt: int, *, clients: int, rows: int = 72, has_turns: bool = True) -> list[float]:
    """Times to the first token of somebody who asks now and then, beside so many clients of another tenant."""
    machine = Machine(rows, has_turns)
    flood = (400, 100)
    for number in range(clients):
        machine.ask("anna", *flood)
        if number % 3 == 0:
            machine.step()
    seen = []
    for number in range(12):
        for _ in range(57 + 5 * number if clients else 0):  # so that it comes at many moments of the flood
            for _ in machine.step():
                machine.ask("anna", *flood)
        work = machine.ask("ben", prompt, 4)
        seen.append(_wait_for_first(machine, work, flood if clients else None))
        while work not in machine.done:
            for ended in machine.step():
                if ended.tenant == "anna":
                    machine.ask("anna", *flood)
    return seen


@pytest.mark.parametrize("clients", [16, 64, 200])
@pytest.mark.parametrize("prompt", [512, 1_500])
def test_a_flood_moves_the_first_token_of_another_tenant_by_less_than_half(prompt: int, clients: int) -> None:
    (alone, *_) = _measure(prompt, clients=0)
    beside = _measure(prompt, clients=clients)
    assert statistics.median(beside) < 1.5 * alone
    assert max(beside) < 1.75 * alone


def test_without_turns_in_the_engine_it_would_be_moved_further() -> None:
    """That the one above can fail."""
    (alone, *_) = _measure(1_500, clients=0)
    assert statistics.median(_measure(1_500, clients=64, has_turns=False)) > 2 * alone


def test_a_flood_of_more_than_the_engine_takes_waits_and_others_do_not() -> None:
    """Nor where answers are long: nobody waits for one of the flood to end."""
    machine = Machine()
    for _ in range(250):
        machine.ask("anna", 10, 5_000)
    for _ in range(300):
        machine.step()
    assert len([work for work in machine.waiting if work.tenant == "anna"]) > 100
    ben = machine.ask("ben", 100, 4)
    assert ben.place is not None
    assert ben.place.ticket is not None


def test_a_flood_does_not_starve_and_shares_with_another_flood() -> None:
    machine = Machine(rows=8)
    for tenant in ("anna", "ben"):
        for _ in range(60):
            machine.ask(tenant, 100, 20)
    for _ in range(6_000):
        for ended in machine.step():
            machine.ask(ended.tenant, 100, 20)
    served = [sum(work.tenant == tenant for work in machine.done) for tenant in ("anna", "ben")]
    assert machine.refused == 0
    assert min(served) > 0.9 * max(served)
    assert sum(served) > 400


def test_somebody_who_keeps_asking_little_does_not_stop_the_flood() -> None:
    machine = Machine()
    for _ in range(64):
        machine.ask("anna", 100, 1_000)
    for _ in range(200):
        machine.step()
    before = sum(work.written for work in machine.inside if work.tenant == "anna")
    for _ in range(200):
        machine.ask("ben", 1_000, 1)
        while any(work.tenant == "ben" for work in (*machine.waiting, *machine.inside)):
            machine.step()
    written = sum(work.written for work in (*machine.inside, *machine.done) if work.tenant == "anna") - before
    assert written > 64 * 200 * 9 // 8 // 2
