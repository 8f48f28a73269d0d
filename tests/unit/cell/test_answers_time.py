"""How much of our own time one worker may take."""

from __future__ import annotations

from ostiary.cell.answers import ReadingTime


def test_there_are_two_seconds_at_once_and_a_quarter_of_each_that_follows() -> None:
    reading = ReadingTime(100.0)
    reading.note(1.9)
    assert reading.is_left(100.0)
    reading.note(0.2)
    assert not reading.is_left(100.0)
    assert not reading.is_left(100.3)
    assert reading.is_left(100.5)
    assert reading.is_left(9_000.0)
    reading.note(2.1)
    assert not reading.is_left(9_000.0)
