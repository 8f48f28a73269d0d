"""When the next process may start."""

from __future__ import annotations

from ostiary.cell.restart import WINDOW_SECONDS, has_ended_too_often, next_delay_seconds


def test_the_first_and_the_second_start_at_once() -> None:
    assert next_delay_seconds([], 100.0) == 0
    assert next_delay_seconds([100.0], 100.0) == 0


def test_the_pause_doubles_up_to_its_longest() -> None:
    pauses = [next_delay_seconds([100.0] * count, 100.0) for count in range(2, 11)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert next_delay_seconds([100.0] * 5_000, 100.0) == 30


def test_time_that_went_by_counts() -> None:
    assert next_delay_seconds([90.0, 99.8], 100.0) == 0.5 - (100.0 - 99.8)
    assert next_delay_seconds([90.0, 99.0], 100.0) == 0


def test_old_ends_are_forgotten() -> None:
    now = 10_000.0
    assert next_delay_seconds([now - WINDOW_SECONDS] * 50 + [now], now) == 0


def test_a_clock_that_was_set_back_makes_no_endless_pause() -> None:
    assert next_delay_seconds([5_000.0, 5_000.0], 100.0) == 0.5
    assert has_ended_too_often([5_000.0, 5_000.0], 100.0, 1)


def test_too_often_is_more_than_the_restarts_within_the_window() -> None:
    now = 10_000.0
    assert not has_ended_too_often([], now, 0)
    assert has_ended_too_often([now], now, 0)
    assert not has_ended_too_often([now] * 3, now, 3)
    assert has_ended_too_often([now] * 4, now, 3)
    assert not has_ended_too_often([now - WINDOW_SECONDS, now, now, now], now, 3)
