"""What is computed when, counted in units of work: no clock and no network takes part."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ostiary.worker.engines.language.rounds import PIECE_SECONDS, Rounds
from ostiary.worker.engines.language.turns import CROWD_STEPS, Turns

LAYERS = 6
CHUNK = 12
"""Units that a chunk costs, in one stage for each layer."""
STAGE = PIECE_SECONDS / 2
"""Seconds of a unit: two stages of one unit make a piece."""


@dataclass
class Call:
    """A work and its only answer."""

    name: str
    tenant: str
    chunks: int
    tokens: int
    taken: int = 0
    asked: int = 0
    call_id: int = 0

    @property
    def has_begun(self) -> bool:
        return self.taken > 0


@dataclass
class Stages:
    """Units that each of them costs."""

    work: Callable[[float], None]
    left: list[float]

    @property
    def are_done(self) -> bool:
        return not self.left

    def compute(self, may_go_on: Callable[[], bool]) -> None:
        while self.left:
            self.work(self.left.pop(0))
            if not may_go_on():
                return


@dataclass
class Underway:
    """A pass, or a chunk."""

    answers: Sequence[Call]
    stages: Stages
    is_complete: bool = False

    @property
    def works(self) -> Sequence[Call]:
        return self.answers


@dataclass
class Machine:
    """Batch, schedule, pace and clock in one: what it computes, it counts."""

    calls: list[Call] = field(default_factory=list)
    turns: Turns = field(default_factory=Turns)
    units: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    """Units for each tenant."""
    log: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.units * STAGE

    def use_threads(self, *, reads_prompts: bool) -> None:
        """Nothing."""

    def _charge(self, calls: Sequence[Call]) -> Callable[[float], None]:
        def work(units: float) -> None:
            self.units += units
            for call in calls:
                self.spent[call.tenant] = self.spent.get(call.tenant, 0.0) + units / len(calls)

        return work

    # the schedule

    def begin_step(self) -> None:
        self.turns.begin_step(self.calls)

    @property
    def is_hurried(self) -> bool:
        return self.turns.is_hurried

    @property
    def is_reading(self) -> bool:
        return bool(self.turns.order(self._reading))

    @property
    def _reading(self) -> list[Call]:
        return [call for call in self.calls if call.chunks]

    @property
    def answers(self) -> list[Call]:
        ready = [call for call in self.calls if not call.chunks and call.asked < call.tokens]
        return [call for call in ready if self.turns.may_go_on(call)]

    @property
    def few(self) -> list[Call]:
        return [call for call in self.answers if self.turns.is_few(call)]

    @property
    def many(self) -> list[Call]:
        return [call for call in self.answers if not self.turns.is_few(call)]

    def goes_on(self, chunk: Underway) -> bool:
        return any(self.turns.may_go_on(call) for call in chunk.works)

    def holds(self, call_id: int) -> bool:
        return any(call.call_id == call_id for call in self.calls)

    def open_chunk(self) -> Underway | None:
        line = self.turns.order(self._reading)
        if not line:
            return None
        call = line[0]
        self.turns.note_read([call])
        call.chunks -= 1
        self.log.append(f"read {call.name}")
        return Underway([call], Stages(self._charge([call]), [CHUNK / LAYERS] * LAYERS))

    def close_chunk(self, chunk: Underway) -> None:
        assert chunk.stages.are_done
        chunk.is_complete = True

    # the batch

    def open(self, answers: Sequence[Call], before: Underway | None) -> Underway:
        for call in answers:
            told = call.taken + (before is not None and call in before.answers)
            assert told == call.asked, "a token that is on its way is not known here"
            call.asked += 1
        rows = len(answers)
        return Underway(answers, Stages(self._charge(answers), [1.0] * (LAYERS * (1 + rows // 16))))

    def complete(self, opened: Underway, _before: Underway | None) -> Underway:
        assert opened.stages.are_done
        opened.is_complete = True
        return opened

    def begin(self, answers: Sequence[Call]) -> Underway:
        opened = self.open(answers, None)
        opened.stages.compute(lambda: True)
        return self.complete(opened, None)

    def finish(self, begun: Underway) -> list[Call]:
        assert begun.is_complete
        return list(begun.answers)

    def say(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if call in self.calls:
                call.taken += 1
                self.log.append(f"say {call.name}")
                if call.taken == call.tokens:
                    self.calls.remove(call)


def make(machine: Machine) -> Rounds:
    parts: Any = machine
    return Rounds(parts, parts, parts, machine.clock)


def crowd(machine: Machine, count: int = 64, tokens: int = 1_000) -> None:
    machine.calls += [Call(f"a{place}", "anna", 0, tokens, call_id=place) for place in range(count)]


def wait_for_first(machine: Machine, rounds: Rounds, call: Call) -> float:
    """Units of work that are done before its first token is told."""
    machine.calls.append(call)
    before = machine.units
    for _ in range(10_000):
        if call.has_begun:
            return machine.units - before
        rounds.step(machine.say)
    raise AssertionError("it is never told anything")


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_who_comes_beside_a_crowd_waits_for_nothing_but_its_own_work(steps: int) -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    for _ in range(steps):
        rounds.step(machine.say)
    own = CHUNK + LAYERS
    assert wait_for_first(machine, rounds, Call("ben", "ben", 1, 4, call_id=99)) == own


def test_a_step_is_no_longer_than_a_piece_whatever_the_crowd_does() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    machine.calls += [Call(f"p{place}", "anna", 5, 20, call_id=100 + place) for place in range(8)]
    longest = 0.0
    for _ in range(400):
        before = machine.units
        rounds.step(machine.say)
        longest = max(longest, machine.units - before)
    assert longest <= 2 + CHUNK / LAYERS, "a piece, and the first stage of what comes next"


def test_a_long_prompt_beside_a_crowd_takes_little_more_than_alone() -> None:
    alone, beside = Machine(), Machine()
    own = wait_for_first(alone, make(alone), Call("ben", "ben", 40, 1, call_id=99))
    crowd(beside)
    rounds = make(beside)
    for _ in range(7):
        rounds.step(beside.say)
    assert wait_for_first(beside, rounds, Call("ben", "ben", 40, 1, call_id=99)) < 1.5 * own


def test_newcomers_without_end_leave_the_crowd_its_share() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine, tokens=100_000)
    for place in range(60):
        wait_for_first(machine, rounds, Call(f"b{place}", "ben", 3, 1, call_id=200 + place))
        machine.calls = [call for call in machine.calls if call.tenant == "anna"]
        machine.calls.append(Call(f"c{place}", "ben", 1_000, 1, call_id=600 + place))
        for _ in range(20):
            rounds.step(machine.say)
        machine.calls = [call for call in machine.calls if call.tenant == "anna"]
    share = machine.spent["anna"] / sum(machine.spent.values())
    assert 0.5 / CROWD_STEPS < share < 2 / CROWD_STEPS


def test_who_was_answered_already_goes_on_while_a_newcomer_is_read_and_the_crowd_rests() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    carl = Call("carl", "carl", 1, 1_000, call_id=98)
    wait_for_first(machine, rounds, carl)
    for _ in range(30):
        rounds.step(machine.say)
    before = carl.taken
    wait_for_first(machine, rounds, Call("ben", "ben", 20, 1, call_id=99))
    assert carl.taken - before >= 20, "a token for each chunk"


def test_who_is_in_a_pass_that_is_interrupted_is_not_asked_twice_at_once() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine, count=3)
    carl = Call("carl", "carl", 0, 1_000, call_id=98)
    machine.calls.append(carl)
    for _ in range(7):
        rounds.step(machine.say)
    asked = carl.asked
    assert asked == carl.taken + 2, "one token is unread, another on its way"
    crowd(machine, count=1)
    wait_for_first(machine, rounds, Call("ben", "ben", 2, 1, call_id=99))
    assert carl.asked == asked
    for _ in range(20):
        rounds.step(machine.say)
    assert carl.taken > asked


def test_every_token_is_told_in_order_and_every_answer_ends() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine, count=20, tokens=9)
    machine.calls += [Call(f"b{place}", "ben", place, 5, call_id=50 + place) for place in range(1, 4)]
    calls = list(machine.calls)
    for _ in range(3_000):
        rounds.step(machine.say)
    assert not machine.calls
    assert all(call.taken == call.tokens == call.asked for call in calls)


def test_alone_there_is_a_token_and_a_chunk_in_turns_and_the_next_pass_is_begun_before() -> None:
    machine = Machine()
    rounds = make(machine)
    machine.calls = [Call("a", "anna", 0, 50), Call("b", "anna", 4, 1)]
    whole = 0
    while machine.calls[-1].name == "b":
        whole += rounds.step(machine.say)
    read = ["read b", "read b", "say a", "read b", "say a", "read b", "say a"]
    assert machine.log == [*read, "say a", "say a", "say b"]
    assert whole == 6, "rounds that were over"


def test_what_nobody_waits_for_any_more_is_not_computed_to_its_end() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    rounds.step(machine.say)
    machine.calls.clear()
    rounds.forget_unwanted()
    before = machine.units
    assert rounds.step(machine.say)
    assert machine.units == before


def test_who_stood_beside_a_crowd_loses_no_token_when_all_of_it_is_cancelled() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    carl = Call("carl", "carl", 0, 9, call_id=98)
    wait_for_first(machine, rounds, carl)
    while rounds._few is None or rounds._open is None:
        rounds.step(machine.say)
    machine.calls = [carl]
    rounds.forget_unwanted()
    for _ in range(40):
        rounds.step(machine.say)
    assert carl.taken == carl.asked == carl.tokens
    assert not machine.calls


def test_what_nobody_waits_for_any_more_holds_no_memory() -> None:
    """The caches of calls that were cancelled: nothing is computed until somebody asks again."""
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    machine.calls.append(Call("ben", "ben", 0, 1_000, call_id=98))
    for _ in range(40):
        rounds.step(machine.say)
        if rounds._few is not None and rounds._begun is not None:
            break
    lost = [weakref.ref(call) for call in machine.calls]
    machine.calls.clear()
    rounds.forget_unwanted()
    gc.collect()
    assert [call() for call in lost if call() is not None] == []


def test_after_a_failure_nothing_is_left() -> None:
    machine = Machine()
    rounds = make(machine)
    crowd(machine)
    for _ in range(9):
        rounds.step(machine.say)
    machine.calls.clear()
    machine.log.clear()
    rounds.give_up()
    assert rounds.step(machine.say)
    assert not machine.log
