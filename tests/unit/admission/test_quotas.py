"""What a tenant may ask, one rule after the other, by a clock that is turned by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from quota_tools import HandClocks, begin_server, kill, make_table, name_caller, sum_usage

from ostiary.admission.tenants import TenantLimits
from ostiary.admission.usage_file import read_usage
from ostiary.errors import ADMISSION_QUOTA, AdmissionRefused

ANNA, BERT = name_caller("anna"), name_caller("bert")


@pytest.fixture
def clocks() -> HandClocks:
    return HandClocks()


def _refused(error: pytest.ExceptionInfo[AdmissionRefused]) -> float | None:
    assert error.value.code == ADMISSION_QUOTA.name
    assert "anna" not in error.value.public_detail
    return error.value.retry_after_seconds


def test_requests_in_a_minute(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(requests_per_minute=3))
    for _ in range(3):
        with quotas.counting(ANNA):
            clocks.wait(10)
    with pytest.raises(AdmissionRefused) as error, quotas.counting(ANNA):
        pass
    wait = _refused(error)
    assert wait == 31
    with quotas.counting(BERT):
        pass
    clocks.wait(wait)
    with quotas.counting(ANNA):
        pass
    with pytest.raises(AdmissionRefused), quotas.counting(ANNA):
        pass


def test_a_request_that_is_refused_does_not_count(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(requests_per_minute=1))
    with quotas.counting(ANNA):
        pass
    for _ in range(50):
        clocks.wait(1)
        with pytest.raises(AdmissionRefused), quotas.counting(ANNA):
            pass
    clocks.wait(11)
    with quotas.counting(ANNA):
        pass


def test_requests_at_once(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(concurrent=2))
    with quotas.counting(ANNA):
        with quotas.counting(ANNA):
            with pytest.raises(AdmissionRefused) as error, quotas.counting(ANNA):
                pass
            assert _refused(error) == 1
            with quotas.counting(BERT):
                pass
        with pytest.raises(ZeroDivisionError), quotas.counting(ANNA):
            raise ZeroDivisionError
        with quotas.counting(ANNA):
            pass


def test_tokens_in_a_minute_are_held_while_a_request_runs_and_counted_as_used(
    tmp_path: Path, clocks: HandClocks
) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(tokens_per_minute=100))
    first = quotas.reserve(ANNA, 80)
    with pytest.raises(AdmissionRefused) as error:
        quotas.reserve(ANNA, 21)
    assert _refused(error) == 1, "nobody knows when the other is over"
    first.settle(50, 30)
    second = quotas.reserve(ANNA, 50)
    with pytest.raises(AdmissionRefused) as error:
        quotas.reserve(ANNA, 60)
    assert _refused(error) == 1, "what is held may be free before what was used is"
    second.settle(50, 50)
    assert (told := quotas.tell("anna").tokens) is not None
    assert (told.limit, told.remaining) == (100, 0)
    with pytest.raises(AdmissionRefused) as error:
        quotas.reserve(ANNA, 1)
    wait = _refused(error)
    assert wait == 61
    clocks.wait(wait)
    quotas.reserve(ANNA, 100)
    assert sum_usage(tmp_path, "anna") == (0, 20, 80, 0)


def test_a_request_that_can_never_fit_is_told_so(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(tokens_per_minute=1_000, tokens_per_day=100))
    with pytest.raises(AdmissionRefused, match="101 tokens") as error:
        quotas.reserve(ANNA, 101)
    assert _refused(error) is None


def test_tokens_in_a_day(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(tokens_per_minute=100, tokens_per_day=150))
    quotas.reserve(ANNA, 100).settle(100)
    clocks.wait(3_600)
    quotas.reserve(ANNA, 50).settle(50)
    assert (told := quotas.tell("anna").tokens) is not None
    assert (told.limit, told.remaining) == (150, 0), "the limit of which the least is left"
    with pytest.raises(AdmissionRefused) as error, quotas.counting(ANNA):
        pass
    wait = _refused(error)
    assert wait is not None
    assert 82_800 <= wait <= 83_400
    with quotas.counting(ANNA, takes_tokens=False):
        pass
    clocks.wait(wait)
    quotas.reserve(ANNA, 100).settle(100)


def test_what_is_used_beyond_what_was_reserved_counts_in_full(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(tokens_per_minute=100))
    quotas.reserve(ANNA, 10).settle(130, 5)
    assert (told := quotas.tell("anna").tokens) is not None
    assert told.remaining == 0
    with pytest.raises(AdmissionRefused):
        quotas.reserve(ANNA, 1)
    assert sum_usage(tmp_path, "anna") == (0, 125, 5, 0)


def test_an_answer_without_a_stated_length_may_come_to_half_of_what_is_left(
    tmp_path: Path, clocks: HandClocks
) -> None:
    quotas = begin_server(tmp_path, clocks, usual=TenantLimits(tokens_per_minute=1_000))
    assert quotas.reserve(ANNA, 100, 5_000).tokens == 500
    assert quotas.reserve(ANNA, 100, 5_000).tokens == 250
    assert quotas.reserve(ANNA, 200, 5_000).tokens == 200
    assert quotas.reserve(ANNA, 20, 30).tokens == 25
    free = begin_server(tmp_path / "other", clocks)
    assert free.reserve(ANNA, 100, 5_000).tokens == 5_000


def test_settling_twice_counts_once(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks)
    reservation = quotas.reserve(ANNA, 100)
    reservation.settle(60, 20)
    reservation.settle(70, 30)
    quotas.close()
    assert sum_usage(tmp_path) == (0, 40, 20, 0)


def test_limits_that_are_set_anew_hold_at_once_and_what_is_used_stays(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks)
    quotas.reserve(ANNA, 100).settle(100)
    quotas.set_limits(make_table(anna=TenantLimits(tokens_per_minute=100, priority=30)))
    with pytest.raises(AdmissionRefused):
        quotas.reserve(ANNA, 1)
    quotas.reserve(BERT, 1)
    assert (quotas.weight_of("anna"), quotas.weight_of("bert")) == (30, 10)


def test_without_limits_nothing_is_told_and_all_is_counted(tmp_path: Path, clocks: HandClocks) -> None:
    quotas = begin_server(tmp_path, clocks)
    with quotas.counting(ANNA):
        quotas.reserve(ANNA, 10**9).settle(7, 3)
    standing = quotas.tell("anna")
    assert (standing.requests, standing.tokens) == (None, None)
    quotas.close()
    assert sum_usage(tmp_path) == (1, 4, 3, 0)


def test_more_tenants_than_are_counted_come_again_when_others_are_idle(
    tmp_path: Path, clocks: HandClocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.admission.accounts.MAX_COUNTED_TENANTS", 3)
    quotas = begin_server(tmp_path, clocks)
    for name in "abc":
        quotas.reserve(name_caller(name), 1).settle(1)
    with pytest.raises(AdmissionRefused) as error:
        quotas.reserve(name_caller("d"), 1)
    assert _refused(error) == 60
    running = quotas.reserve(name_caller("a"), 0)
    clocks.wait(2 * 86_400)
    quotas.reserve(name_caller("d"), 1)
    for name in "efg":
        with pytest.raises(AdmissionRefused) if name == "g" else nullcontext():
            quotas.reserve(name_caller(name), 1)
    running.settle(5)
    kill(quotas)
    assert sum_usage(tmp_path, "a") == (0, 6, 0, 0)
    begin_server(tmp_path, clocks).close()


def test_many_threads_count_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file is synchronised and written anew again and again."""
    monkeypatch.setattr("ostiary.admission.quotas.MAX_JOURNAL_BYTES", 2_000)
    quotas = begin_server(tmp_path, HandClocks(), usual=TenantLimits(10**9, 10**9, 10**9, 100))
    is_over = False

    def ask(number: int) -> None:
        caller = name_caller(f"tenant-{number % 3}")
        for used in range(100):
            with quotas.counting(caller):
                quotas.reserve(caller, 100).settle(used, used // 3)

    def flush() -> int:
        flushes = 0
        while not is_over:
            quotas.flush()
            flushes += 1
        return flushes

    with ThreadPoolExecutor(9) as threads:
        flushing = threads.submit(flush)
        for asking in [threads.submit(ask, number) for number in range(8)]:
            asking.result()
        is_over = True
        assert flushing.result() > 1
    kill(quotas)
    answers = sum(used // 3 for used in range(100))
    assert sum_usage(tmp_path) == (800, 8 * (4_950 - answers), 8 * answers, 0)
    assert begin_server(tmp_path, HandClocks()).damage is None


def test_old_days_are_forgotten_and_the_oldest_where_there_are_too_many(
    tmp_path: Path, clocks: HandClocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = begin_server(tmp_path, clocks)
    for _ in range(4):
        quotas.reserve(ANNA, 1).settle(1)
        quotas.reserve(BERT, 1).settle(1)
        clocks.wait(86_400)
    quotas.close()
    monkeypatch.setattr("ostiary.admission.accounts.MAX_USAGE_ROWS", 5)
    begin_server(tmp_path, clocks).close()
    assert len(read_usage(tmp_path).days) == 5
    clocks.wait(399 * 86_400)
    begin_server(tmp_path, clocks).close()
    assert sum_usage(tmp_path) == (0, 2, 0, 0), "of the last day on which there was anything"
    clocks.wait(2 * 86_400)
    begin_server(tmp_path, clocks).close()
    assert sum_usage(tmp_path) == (0, 0, 0, 0)


# --- restarts and clocks ---


def test_a_restart_remembers(tmp_path: Path, clocks: HandClocks) -> None:
    usual = TenantLimits(requests_per_minute=2, tokens_per_day=100)
    quotas = begin_server(tmp_path, clocks, usual=usual)
    for _ in range(2):
        with quotas.counting(ANNA):
            quotas.reserve(ANNA, 40).settle(40)
    quotas.close()
    clocks.wait(5)
    again = begin_server(tmp_path, clocks, usual=usual)
    with pytest.raises(AdmissionRefused), again.counting(ANNA):
        pass
    with pytest.raises(AdmissionRefused):
        again.reserve(ANNA, 21)
    again.reserve(ANNA, 20)


def test_what_was_running_when_the_server_was_killed_counts_as_reserved(tmp_path: Path, clocks: HandClocks) -> None:
    usual = TenantLimits(tokens_per_minute=100, tokens_per_day=165)
    quotas = begin_server(tmp_path, clocks, usual=usual)
    quotas.reserve(ANNA, 10).settle(10)
    quotas.reserve(ANNA, 60)
    kill(quotas)
    again = begin_server(tmp_path, clocks, usual=usual)
    with pytest.raises(AdmissionRefused):
        again.reserve(ANNA, 31)
    again.reserve(ANNA, 30).settle(30)
    again.close()
    assert sum_usage(tmp_path) == (0, 40, 0, 60)
    clocks.wait(61)
    last = begin_server(tmp_path, clocks, usual=usual)
    with pytest.raises(AdmissionRefused):
        last.reserve(ANNA, 66)
    last.reserve(ANNA, 65)


@pytest.mark.parametrize("step", [-7 * 86_400.0, -3_600.0, 3_600.0, 7 * 86_400.0])
def test_a_clock_that_is_set_while_the_server_runs_moves_nothing(
    tmp_path: Path, clocks: HandClocks, step: float
) -> None:
    usual = TenantLimits(tokens_per_minute=100, tokens_per_day=150)
    quotas = begin_server(tmp_path, clocks, usual=usual)
    quotas.reserve(ANNA, 100).settle(100)
    clocks.wall += step
    with pytest.raises(AdmissionRefused):
        quotas.reserve(ANNA, 1)
    clocks.wait(61)
    quotas.reserve(ANNA, 50).settle(50)
    kill(quotas)
    again = begin_server(tmp_path, clocks, usual=usual)
    with pytest.raises(AdmissionRefused):
        again.reserve(ANNA, 1)
    clocks.wait(86_400 + 600)
    again.reserve(ANNA, 100)


@pytest.mark.parametrize("back", [10.0, 3_600.0, 400 * 86_400.0])
def test_a_clock_that_was_set_back_between_two_servers_neither_frees_nor_locks_out(
    tmp_path: Path, clocks: HandClocks, back: float
) -> None:
    usual = TenantLimits(requests_per_minute=1, tokens_per_minute=100, tokens_per_day=100)
    quotas = begin_server(tmp_path, clocks, usual=usual)
    with quotas.counting(ANNA):
        quotas.reserve(ANNA, 100).settle(100)
    kill(quotas)
    clocks.wall -= back
    again = begin_server(tmp_path, clocks, usual=usual)
    with pytest.raises(AdmissionRefused), again.counting(ANNA):
        pass
    with pytest.raises(AdmissionRefused) as error:
        again.reserve(ANNA, 1)
    wait = _refused(error)
    assert wait is not None
    assert wait <= 86_400 + 600
    clocks.wait(wait)
    with again.counting(ANNA):
        again.reserve(ANNA, 100)


@pytest.mark.parametrize("step", [-7 * 86_400.0, 7 * 86_400.0])
def test_a_clock_that_was_set_while_nobody_asked_is_noticed_in_time(
    tmp_path: Path, clocks: HandClocks, step: float
) -> None:
    usual = TenantLimits(tokens_per_day=100)
    quotas = begin_server(tmp_path, clocks, usual=usual)
    quotas.reserve(ANNA, 100).settle(100)
    clocks.wall += step
    quotas.flush()
    kill(quotas)
    again = begin_server(tmp_path, clocks, usual=usual)
    with pytest.raises(AdmissionRefused):
        again.reserve(ANNA, 1)
    clocks.wait(86_400 + 600)
    again.reserve(ANNA, 100)


def test_days_are_those_of_the_clock_on_the_wall(tmp_path: Path) -> None:
    clocks = HandClocks(wall=86_400 * 20_000 + 86_395)
    quotas = begin_server(tmp_path, clocks)
    quotas.reserve(ANNA, 1).settle(1)
    clocks.wait(10)
    quotas.reserve(ANNA, 2).settle(2)
    clocks.wall += 86_400
    quotas.reserve(ANNA, 4).settle(4)
    quotas.reserve(ANNA, 8).settle(8)
    days = {day: used.tokens for (day, _), used in quotas._accounts.days.items()}
    assert days == {20_000: 1, 20_001: 2, 20_002: 12}
    kill(quotas)
    again = begin_server(tmp_path, clocks)
    assert {day: used.tokens for (day, _), used in again._accounts.days.items()} == days
