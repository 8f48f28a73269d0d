"""An arena gives out parts of a mapping, takes them back when nobody holds them, and never gives one out twice."""

from __future__ import annotations

import mmap
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.cell.arena import PAGE_BYTES, Arena

PAGES = 600


class Noted:
    """Pages that tell what was asked of them."""

    def __init__(self, pages: int = PAGES) -> None:
        self.mapping: mmap.mmap | None = mmap.mmap(-1, pages * PAGE_BYTES)
        self.provided: list[tuple[int, int]] = []
        self.given_back: list[tuple[int, int]] = []
        self.is_full = False

    def provide(self, start: int, end: int) -> None:
        if self.is_full:
            raise OSError(28, "no space left")
        self.provided.append((start, end))

    def give_back(self, start: int, end: int) -> None:
        self.given_back.append((start, end))

    def close(self) -> None:
        self.mapping = None


def test_a_part_comes_back_when_the_last_view_of_it_is_gone() -> None:
    arena = Arena(Noted(2))
    part = arena.take(2 * PAGE_BYTES)
    assert part is not None
    slice_of_it = part[100:200].toreadonly()
    del part
    assert arena.take(1) is None
    del slice_of_it
    assert arena.take(2 * PAGE_BYTES) is not None


def test_it_knows_where_a_view_lies() -> None:
    arena = Arena(Noted())
    first, second = arena.take(5), arena.take(10)
    assert first is not None
    assert second is not None
    assert (arena.find(first), arena.find(second), arena.find(second[3:])) == (0, PAGE_BYTES, PAGE_BYTES + 3)
    assert arena.find(memoryview(b"elsewhere")) is None


def test_nothing_has_no_place() -> None:
    assert Arena(Noted()).take(0) is None


def test_memory_that_is_not_there_yet_is_asked_for_once_and_given_back() -> None:
    pages = Noted()
    arena = Arena(pages)
    assert arena.take(10, is_new_too=False) is None
    part = arena.take(10)
    there = pages.provided[0][1]
    assert there > PAGE_BYTES
    assert arena.take(PAGE_BYTES, is_new_too=False) is not None
    assert arena.take(there, is_new_too=False) is None
    assert len(pages.provided) == 1
    arena.trim()
    assert pages.given_back == [(PAGE_BYTES, there)]
    del part
    arena.trim()
    assert pages.given_back[1:] == [(0, PAGE_BYTES)]
    arena.trim()
    assert len(pages.given_back) == 2


def test_where_there_is_no_memory_nothing_is_given_out() -> None:
    pages = Noted()
    pages.is_full = True
    arena = Arena(pages)
    assert arena.take(10) is None
    pages.is_full = False
    assert arena.take(10) is not None


def test_after_the_end_nothing_is_given_out_and_what_was_stays() -> None:
    arena = Arena(Noted())
    part = arena.take(10)
    assert part is not None
    part[:] = b"0123456789"
    arena.close()
    arena.close()
    assert arena.take(10) is None
    assert arena.find(part) is None
    assert bytes(part) == b"0123456789"


@given(st.lists(st.one_of(st.integers(1, 200 * PAGE_BYTES), st.integers(-40, -1)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_byte_is_in_two_hands(steps: list[int]) -> None:
    """Positive: take so many; negative: let go of one, and perhaps trim."""
    arena = Arena(Noted())
    held: list[tuple[memoryview, int]] = []
    for number, step in enumerate(steps):
        if step > 0 and (taken := arena.take(step)) is not None:
            taken[:] = bytes([number]) * step
            held.append((taken, number))
            del taken
        elif step < 0 and held:
            held.pop(step % len(held))
            if step % 2:
                arena.trim()
        assert all(part[0] == part[-1] == written for part, written in held)
    held.clear()
    assert arena.take(PAGES * PAGE_BYTES) is not None, "all of it came back, in one piece"


@pytest.mark.parametrize(
    "drop", [lambda parts: parts.pop(0), lambda parts: parts.pop(), lambda parts: parts.pop(1)]
)
def test_in_whichever_order_parts_come_back_they_join(drop: Callable[[list[memoryview | None]], object]) -> None:
    arena = Arena(Noted(3))
    parts = [arena.take(PAGE_BYTES) for _ in range(3)]
    assert arena.take(1) is None
    drop(parts)
    assert arena.take(1) is not None
    parts.clear()
    assert arena.take(3 * PAGE_BYTES) is not None
