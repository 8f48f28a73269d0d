"""Notes of a server: in order, counted where there are too many, and nobody waits for whoever reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from ostiary.cli.notes import Notes

MORE = 1_500
"""Than may wait."""


class Reader:
    """The other end of a pipe, which is full until somebody reads."""

    def __init__(self) -> None:
        self._end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        self._read = b""
        for size in (512, 1):
            with suppress(BlockingIOError):
                while True:
                    os.write(write_end, b"." * size)
        os.set_blocking(write_end, True)
        self.stream: TextIO = os.fdopen(write_end, "w", encoding="ascii", errors="backslashreplace")

    def read_line(self) -> str:
        while b"\n" not in self._read:
            more = os.read(self._end, 65_536)
            assert more
            self._read = (self._read + more).lstrip(b".")
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        if not self.stream.closed:
            os.close(self._end)
            self.stream.close()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Reader]]:
    """Makes it standard error. Within the test: what was put there before, pytest puts away."""
    made: list[Reader] = []

    def fill() -> Reader:
        made.append(Reader())
        monkeypatch.setattr(sys, "stderr", made[0].stream)
        return made[0]

    yield fill
    for reader in made:
        reader.close()


def test_before_it_begins_all_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    notes = Notes()
    notes.say("first")
    notes.draw("bar")
    assert capsys.readouterr().err == "first\nbar"


def test_who_says_something_waits_for_nobody_and_nothing_comes_twice(full: Callable[[], Reader]) -> None:
    reader = full()
    notes = Notes(last_seconds=30)
    notes.begin()
    notes.say("one")
    notes.say("two ü")
    assert [reader.read_line(), reader.read_line()] == ["one", "two \\xfc"]
    notes.say("three")
    assert reader.read_line() == "three"
    notes.end()


def test_what_found_no_place_is_counted_where_it_would_have_stood(full: Callable[[], Reader]) -> None:
    reader = full()
    notes = Notes(last_seconds=30)
    notes.begin()
    for number in range(MORE):
        notes.say(str(number))
    kept = [reader.read_line() for _ in range(1_000)]
    assert kept == [str(number) for number in range(1_000)]
    notes.say("after")
    assert reader.read_line() == f"ostiary: {MORE - 1_000} more notes found nobody who read them"
    assert reader.read_line() == "after"
    notes.end()


def test_what_moves_makes_way_for_notes(full: Callable[[], Reader]) -> None:
    reader = full()
    notes = Notes(last_seconds=30)
    notes.begin()
    notes.say("one")
    notes.say("two")
    notes.draw("bar")
    notes.say("three")
    assert [reader.read_line() for _ in range(3)] == ["one", "two", "three"]
    notes.end()


def test_the_end_writes_what_waits(full: Callable[[], Reader]) -> None:
    reader = full()
    notes = Notes(last_seconds=30)
    notes.begin()
    for number in range(MORE):
        notes.say(str(number))
    assert reader.read_line() == "0"
    for number in range(1, 1_000):
        assert reader.read_line() == str(number)
    notes.end()
    assert reader.read_line() == f"ostiary: {MORE - 1_000} more notes found nobody who read them"


def test_the_end_comes_though_nobody_reads(full: Callable[[], Reader]) -> None:
    reader = full()
    notes = Notes(last_seconds=0.01)
    notes.begin()
    notes.say("one")
    notes.end()
    notes.say("two")
    assert reader.read_line() == "one"


def test_a_reader_that_is_gone_stops_nobody(full: Callable[[], Reader]) -> None:
    reader = full()
    notes = Notes(last_seconds=30)
    notes.begin()
    notes.say("one")
    reader.close()
    for number in range(MORE):
        notes.say(str(number))
    notes.end()


def test_a_standard_error_that_was_closed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    notes = Notes(last_seconds=30)
    notes.say("one")
    notes.begin()
    notes.say("two")
    notes.end()
