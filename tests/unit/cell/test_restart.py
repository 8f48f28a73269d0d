"""When the next process may start."""

from __future__ import annotations

from ostiary.cell.limits import derive_limits
from ostiary.cell.restart import FIRST_DELAY_SECONDS, WINDOW_SECONDS, has_ended_too_often, next_delay_seconds
from ostiary.core.tickets import ModelFacts

NOTHING_SAID = ModelFacts("mlx", None, None, None, None, None, None, None, (), 1 << 20, None, None, False)
USUAL_RESTARTS = derive_limits(NOTHING_SAID, 1 << 20, 1 << 30, 2).restarts


def test_the_first_start_is_at_once_and_so_are_those_after_two_ends() -> None:
    assert next_delay_seconds([], 100.0) == 0
    assert next_delay_seconds([100.0], 100.0) == 0
    assert next_delay_seconds([100.0, 100.0], 100.0) == 0


def test_no_start_that_is_usually_allowed_waits_for_more_than_the_first_pause() -> None:
    allowed = 0
    while not has_ended_too_often([100.0] * allowed, 100.0, USUAL_RESTARTS):
        assert next_delay_seconds([100.0] * allowed, 100.0) <= FIRST_DELAY_SECONDS
        allowed += 1
    assert allowed == USUAL_RESTARTS + 1


def test_the_pause_doubles_up_to_its_longest() -> None:
    pauses = [next_delay_seconds([100.0] * count, 100.0) for count in range(3, 12)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert next_delay_seconds([100.0] * 5_000, 100.0) == 30


def test_time_that_went_by_counts() -> None:
    assert next_delay_seconds([80.0, 90.0, 99.875], 100.0) == 0.125
    assert next_delay_seconds([80.0, 90.0, 99.0], 100.0) == 0


def test_old_ends_are_forgotten() -> None:
    now = 10_000.0
    assert next_delay_seconds([now - WINDOW_SECONDS] * 50 + [now], now) == 0


def test_a_clock_that_was_set_back_makes_no_endless_pause() -> None:
    assert next_delay_seconds([5_000.0] * 3, 100.0) == 0.25
    assert has_ended_too_often([5_000.0, 5_000.0], 100.0, 1)


def test_too_often_is_more_than_the_restarts_within_the_window() -> None:
    now = 10_000.0
    assert not has_ended_too_often([], now, 0)
    assert has_ended_too_often([now], now, 0)
    assert not has_ended_too_often([now] * 3, now, 3)
    assert has_ended_too_often([now] * 4, now, 3)
    assert not has_ended_too_often([now - WINDOW_SECONDS, now, now, now], now, 3)
