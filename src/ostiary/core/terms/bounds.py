"""Contracts of any platform, told as bounds in named places, so that two of them can be compared. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from ostiary.core.values import dataclass


class Change(StrEnum):
    """What a new bound lets through beside the old one."""

    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"
    """Neither is within the other, or it is no bound."""


@dataclass(frozen=True, slots=True)
class Most:
    """At most so much; None: no bound but the house's."""

    value: int | float | None


@dataclass(frozen=True, slots=True)
class Least:
    """At least so much; None: no bound but the house's."""

    value: int | float | None


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these; None: any that the house knows."""

    words: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class NoneOf:
    """None of these."""

    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One of a row of words, each stricter than the one before it."""

    row: tuple[str, ...]
    word: str


@dataclass(frozen=True, slots=True)
class Fact:
    """No bound."""

    value: str | None


Bound = Most | Least | OneOf | NoneOf | Step | Fact


@dataclass(frozen=True, slots=True)
class Difference:
    """In one place of two contracts. None: there is no bound."""

    place: str
    change: Change
    old: str | None
    new: str | None


def compare_bounds(old: Mapping[str, Bound], new: Mapping[str, Bound]) -> list[Difference]:
    """In the order of their places, of those that both have.

    What belongs to an input that only one of them takes bounds nothing in the other, and that it is taken has a
    place of its own.
    """
    return [
        difference
        for place in sorted(old.keys() & new.keys())
        for difference in _compare(place, old[place], new[place])
    ]


def _compare(place: str, old: Bound, new: Bound) -> Iterator[Difference]:
    match old, new:
        case (Most(before), Most(after)):
            yield from _compare_numbers(place, before, after, higher=Change.WIDER)
        case (Least(before), Least(after)):
            yield from _compare_numbers(place, before, after, higher=Change.NARROWER)
        case (OneOf(before), OneOf(after)):
            yield from _compare_choices(place, before, after)
        case (NoneOf(before), NoneOf(after)):
            yield from _list(place, after - before, Change.NARROWER, is_new=True)
            yield from _list(place, before - after, Change.WIDER, is_new=False)
        case (Step(row, before), Step(_, after)):
            if before != after:
                change = Change.NARROWER if row.index(after) > row.index(before) else Change.WIDER
                yield Difference(place, change, before, after)
        case _:
            if old != new:
                yield Difference(place, Change.OTHER, _tell(old), _tell(new))


def _compare_numbers(
    place: str, before: int | float | None, after: int | float | None, *, higher: Change
) -> Iterator[Difference]:
    if before == after:
        return
    if before is None or after is None:
        change = Change.NARROWER if before is None else Change.WIDER
    else:
        lower = Change.NARROWER if higher is Change.WIDER else Change.WIDER
        change = higher if after > before else lower
    yield Difference(place, change, _tell_number(before), _tell_number(after))


def _compare_choices(
    place: str, before: frozenset[str] | None, after: frozenset[str] | None
) -> Iterator[Difference]:
    if before is None or after is None:
        if before is not after:
            change = Change.NARROWER if before is None else Change.WIDER
            yield Difference(place, change, _tell_words(before), _tell_words(after))
        return
    yield from _list(place, after - before, Change.WIDER, is_new=True)
    yield from _list(place, before - after, Change.NARROWER, is_new=False)


def _list(place: str, words: frozenset[str], change: Change, *, is_new: bool) -> Iterator[Difference]:
    """Each word by itself: a list may lose some and win others."""
    for word in sorted(words):
        yield Difference(place, change, None if is_new else word, word if is_new else None)


def _tell(bound: Bound) -> str | None:
    match bound:
        case Most(value) | Least(value):
            return _tell_number(value)
        case OneOf(words):
            return _tell_words(words)
        case NoneOf(words):
            return _tell_words(words)
        case Step(_, word):
            return word
        case Fact(value):
            return value


def _tell_number(value: int | float | None) -> str | None:
    return None if value is None else f"{value:,}"


def _tell_words(words: frozenset[str] | None) -> str | None:
    return None if words is None else ", ".join(sorted(words))
