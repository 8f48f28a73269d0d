"""How much a template works by itself: rounds of fixed loops and characters of fixed text, through its macros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import MAX_TEMPLATE_OUTPUT, MAX_TEMPLATE_ROUNDS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.rules.template import (
    TEMPLATE_ENDLESS_RECURSION,
    TEMPLATE_RECURSION,
    TEMPLATE_UNBOUNDED_TEXT,
    TEMPLATE_UNBOUNDED_WORK,
)
from ostiary.intake.templates.template_estimate import describe_size

MAIN: Final = ""
"""The template itself, beside its macros."""


@dataclass(slots=True)
class Work:
    """What a macro, or the template itself, does in one call. `calls`: macro, how often, whether conditionally."""

    rounds: int = 1
    characters: int = 0
    calls: list[tuple[str, int, bool]] = field(default_factory=list)


def find_work(works: Mapping[str, Work]) -> tuple[Finding, ...]:
    """Refuses work past its ceiling and recursion without a condition; notes recursion with one."""
    order = _order(works)
    place = {name: number for number, name in enumerate(order)}
    totals: dict[str, tuple[int, int]] = {}
    recursive: set[str] = set()
    for name in order:
        rounds, characters = works[name].rounds, works[name].characters
        for callee, times, _ in works[name].calls:
            if callee not in works:
                continue
            if place[callee] >= place[name]:
                recursive.add(callee)
                continue
            rounds += times * (1 + totals[callee][0])
            characters += times * totals[callee][1]
        if rounds > MAX_TEMPLATE_ROUNDS:
            raise refuse(TEMPLATE_UNBOUNDED_WORK, f"{describe_size(rounds)} rounds of fixed loops and calls")
        if characters > MAX_TEMPLATE_OUTPUT:
            raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"{describe_size(characters)} characters of fixed text")
        totals[name] = (rounds, characters)
    for name in sorted(recursive):
        if _comes_back(name, works):
            quoted = quote_untrusted(name)
            raise refuse(TEMPLATE_ENDLESS_RECURSION, f"the macro '{quoted}' always comes back to itself")
    return tuple(
        Finding(TEMPLATE_RECURSION, f"the macro '{quote_untrusted(name)}' calls itself")
        for name in sorted(recursive)
    )


def _order(works: Mapping[str, Work]) -> list[str]:
    """Callees before callers, as far as there are no circles; without recursing."""
    order: list[str] = []
    begun: set[str] = set()
    for start in works:
        if start in begun:
            continue
        begun.add(start)
        stack: list[tuple[str, Iterator[tuple[str, int, bool]]]] = [(start, iter(works[start].calls))]
        while stack:
            name, calls = stack[-1]
            callee = next((c for c, _, _ in calls if c in works and c not in begun), None)
            if callee is None:
                order.append(name)
                stack.pop()
            else:
                begun.add(callee)
                stack.append((callee, iter(works[callee].calls)))
    return order


def _comes_back(start: str, works: Mapping[str, Work]) -> bool:
    """Whether calls that depend on no condition lead from `start` to itself."""
    pending, seen = [start], set[str]()
    while pending:
        for callee, _, is_conditional in works[pending.pop()].calls:
            if is_conditional or callee not in works:
                continue
            if callee == start:
                return True
            if callee not in seen:
                seen.add(callee)
                pending.append(callee)
    return False
