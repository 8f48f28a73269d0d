"""Windows that move: never less than there was, and gone when it is told."""

from __future__ import annotations

import pytest

from ostiary.admission.windows import make_day, make_minute


def test_an_amount_counts_for_the_whole_minute_and_no_longer_than_a_second_more() -> None:
    window = make_minute()
    window.add(100.9, 5)
    assert window.count(160.8) == 5
    assert window.count(160.99) == 5
    assert window.count(161.0) == 0


def test_a_day_is_told_in_steps_of_ten_minutes() -> None:
    window = make_day()
    window.add(1_000_000, 5)
    assert window.count(1_000_000 + 86_400) == 5
    assert window.count(1_000_000 + 86_400 + 600) == 0


@pytest.mark.parametrize("most", [0, 3, 4, 6, 7, 9, 10])
def test_who_waits_as_long_as_is_told_finds_room(most: int) -> None:
    window = make_minute()
    for at, amount in ((10.2, 4), (11.7, 3), (30.0, 3)):
        window.add(at, amount)
    wait = window.wait_until(40.5, most)
    assert window.count(40.5 + wait) <= most
    early = make_minute()
    for at, amount in ((10.2, 4), (11.7, 3), (30.0, 3)):
        early.add(at, amount)
    if wait:
        assert early.count(40.5 + wait - 0.01) > most, "and not much longer than it must"


def test_nothing_has_to_be_waited_for_in_an_empty_window() -> None:
    assert make_minute().wait_until(5, 0) == 0


def test_what_a_window_tells_makes_another_one() -> None:
    window, other = make_minute(), make_minute()
    for at, amount in ((10.2, 4), (11.7, 3), (30.0, 3)):
        window.add(at, amount)
    other.restore(window.list_amounts(40.0), 40.0)
    for now in (41.0, 70.9, 71.0, 71.9, 72.0, 90.9, 91.0):
        assert other.count(now) == window.count(now)


def test_what_would_be_to_come_counts_as_of_now() -> None:
    window = make_minute()
    window.restore([(5_000.0, 7)], 100.0)
    assert window.count(100.0) == 7
    assert window.count(160.9) == 7
    assert window.count(161.0) == 0, "no longer than if it were now"


def test_times_that_go_back_do_not_free() -> None:
    window = make_minute()
    window.add(100.0, 5)
    window.add(50.0, 5)
    assert window.count(60.0) == 10
    assert window.count(160.0) == 10
