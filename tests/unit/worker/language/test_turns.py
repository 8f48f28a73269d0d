"""Whose turn it is in the engine: by tenant, and newcomers before a crowd, but never without end."""

from __future__ import annotations

from dataclasses import dataclass

from ostiary.worker.engines.language.turns import CROWD_STEPS, Turns


@dataclass(frozen=True)
class Work:
    name: str
    tenant: str | None = None
    has_begun: bool = True


CROWD = [Work(f"crowd{number}", "anna") for number in range(8)]


def _run(turns: Turns, works: list[Work], steps: int) -> list[tuple[str, ...]]:
    """Who goes on in each of so many steps."""
    seen = []
    for _ in range(steps):
        turns.begin_step(works)
        seen.append(tuple(work.name for work in works if turns.may_go_on(work)))
    return seen


def test_alone_everybody_goes_on_in_every_step() -> None:
    works = [Work("a"), Work("b"), Work("c", has_begun=False)]
    assert set(_run(Turns(), works, 20)) == {("a", "b", "c")}


def test_a_tenant_with_much_rests_while_another_waits_for_its_first_token_but_not_always() -> None:
    works = [*CROWD, Work("ben", "ben", has_begun=False)]
    seen = _run(Turns(), works, 4 * CROWD_STEPS)
    assert seen.count(("ben",)) == 4 * (CROWD_STEPS - 1)
    assert seen.count(tuple(work.name for work in works)) == 4


def test_a_crowd_that_went_on_rests_as_often_again() -> None:
    turns = Turns()
    ben = Work("ben", "ben", has_begun=False)
    _run(turns, [*CROWD, ben], CROWD_STEPS - 2)
    assert _run(turns, CROWD, 1) == [tuple(work.name for work in CROWD)]
    assert _run(turns, [*CROWD, ben], CROWD_STEPS - 1) == [("ben",)] * (CROWD_STEPS - 1)


def test_few_are_those_beside_a_crowd_and_nobody_without_one() -> None:
    turns, ben = Turns(), Work("ben", "ben")
    turns.begin_step([*CROWD, ben])
    assert [turns.is_few(work) for work in (*CROWD, ben)] == [False] * len(CROWD) + [True]
    assert not turns.is_hurried
    turns.begin_step([*CROWD[:3], ben])
    assert not turns.is_few(ben)
    turns.begin_step(CROWD)
    assert not any(turns.is_few(work) for work in CROWD)


def test_when_the_first_token_came_nobody_rests() -> None:
    works = [*CROWD, Work("ben", "ben")]
    assert set(_run(Turns(), works, 20)) == {tuple(work.name for work in works)}


def test_a_long_prompt_does_not_stop_those_who_ask_little() -> None:
    works = [Work("a", "anna"), Work("b", "anna"), Work("carl", "carl"), Work("ben", "ben", has_begun=False)]
    assert set(_run(Turns(), works, 20)) == {tuple(work.name for work in works)}


def test_who_has_as_much_as_the_others_goes_before_nobody() -> None:
    works = [*CROWD, *(Work(f"ben{number}", "ben", has_begun=False) for number in range(3))]
    assert set(_run(Turns(), works, 20)) == {tuple(work.name for work in works)}


def test_prompts_take_turns_by_tenant_and_within_a_tenant_by_place() -> None:
    turns = Turns()
    line = [Work("a1", "anna"), Work("a2", "anna"), Work("a3", "anna"), Work("b1", "ben"), Work("b2", "ben")]
    read = []
    for _ in range(6):
        turns.begin_step(line)
        first = turns.order(line)[0]
        turns.note_read([first])
        read.append(first.name)
        line.append(line.pop(line.index(first)))
    assert read == ["a1", "b1", "a2", "b2", "a3", "b1"]


def test_one_tenant_reads_in_the_order_of_the_line() -> None:
    turns = Turns()
    line = [Work("c"), Work("a"), Work("b")]
    turns.begin_step(line)
    turns.note_read(line[:1])
    turns.begin_step(line)
    assert turns.order(line) == line


def test_those_who_rest_read_nothing() -> None:
    turns = Turns()
    ben = Work("ben", "ben", has_begun=False)
    turns.begin_step([*CROWD, ben])
    assert turns.order([*CROWD, ben]) == [ben]
