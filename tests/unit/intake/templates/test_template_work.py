from __future__ import annotations

import pytest

from ostiary.core.limits import MAX_TEMPLATE_OUTPUT, MAX_TEMPLATE_ROUNDS
from ostiary.errors import IntakeRefused
from ostiary.intake.templates.template_work import MAIN, Work, find_work


def refused_rule(works: dict[str, Work]) -> str:
    with pytest.raises(IntakeRefused) as caught:
        find_work(works)
    return caught.value.findings[0].rule.id


def test_nothing_is_little() -> None:
    assert find_work({MAIN: Work()}) == ()
    assert find_work({MAIN: Work(calls=[("unknown", 10**9, False)])}) == ()


def test_calls_add_up() -> None:
    works = {MAIN: Work(calls=[("a", 100, False)]), "a": Work(calls=[("b", 100, True)]), "b": Work(rounds=50)}
    assert find_work(works) == ()
    works["b"] = Work(rounds=MAX_TEMPLATE_ROUNDS // 10_000)
    assert refused_rule(works) == "template.unbounded-work"


def test_text_adds_up() -> None:
    works = {MAIN: Work(calls=[("a", 1_000, False)]), "a": Work(characters=MAX_TEMPLATE_OUTPUT // 999)}
    assert refused_rule(works) == "template.unbounded-text"


def test_recursion_with_and_without_a_condition() -> None:
    (note,) = find_work({MAIN: Work(), "a": Work(calls=[("a", 1, True)])})
    assert note.rule.id == "template.recursion"
    assert refused_rule({MAIN: Work(), "a": Work(calls=[("a", 1, False)])}) == "template.endless-recursion"
    circle = {name: Work(calls=[(after, 1, name == "c")]) for name, after in zip("abc", "bca", strict=True)}
    assert [finding.rule.id for finding in find_work(circle)] == ["template.recursion"]
    circle["c"] = Work(calls=[("a", 1, False)])
    assert refused_rule(circle) == "template.endless-recursion"


def test_long_chains_do_not_recurse() -> None:
    works = {str(n): Work(calls=[(str(n + 1), 1, False)]) for n in range(5_000)}
    assert find_work({**works, MAIN: Work(calls=[("0", 1, False)])}) == ()
