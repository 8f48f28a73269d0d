"""The file in which usage is counted: full disks, cut lines, damage, other people, other servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from quota_tools import NOON, HandClocks, begin_server, kill, make_table, name_caller, sum_usage

from ostiary.admission.quotas import TenantQuotas, open_quotas
from ostiary.admission.tenants import TenantLimits
from ostiary.admission.usage_file import USAGE_FILE, read_usage
from ostiary.admission.usage_lines import write_line
from ostiary.errors import (
    QUOTA_UNUSABLE,
    QUOTA_UNWRITABLE,
    SERVER_STATE_IN_USE,
    AdmissionRefused,
    Misuse,
    QuotaFailed,
    ServerFailed,
)

ANNA = name_caller("anna")


class FullDisk:
    """Takes so many bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr("ostiary.admission.usage_file.os.write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def quotas(tmp_path: Path) -> TenantQuotas:
    return begin_server(tmp_path, HandClocks(), usual=TenantLimits(tokens_per_minute=1_000))


@pytest.mark.parametrize("room", [0, 1, 30])
def test_what_cannot_be_counted_is_not_done(
    quotas: TenantQuotas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    running = quotas.reserve(ANNA, 100)
    disk = FullDisk(monkeypatch, room)
    with pytest.raises(QuotaFailed), quotas.counting(ANNA):
        pass
    with pytest.raises(QuotaFailed) as error:
        quotas.reserve(ANNA, 100)
    assert error.value.code == QUOTA_UNWRITABLE.name
    running.settle(60, 20)
    assert (told := quotas.tell("anna").tokens) is not None
    assert told.remaining == 940, "in memory it is counted all the same"
    with pytest.raises(QuotaFailed):
        quotas.reserve(ANNA, 1)
    disk.room = 1 << 20
    quotas.flush()
    quotas.reserve(ANNA, 5).settle(5)
    kill(quotas)
    assert sum_usage(tmp_path) == (0, 45, 20, 0)


def test_a_server_that_dies_on_a_full_disk_leaves_what_was_running_counted_in_full(
    quotas: TenantQuotas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = quotas.reserve(ANNA, 100)
    with monkeypatch.context() as patch:
        FullDisk(patch, 7)
        running.settle(60, 20)
        kill(quotas)
    again = begin_server(tmp_path, HandClocks())
    again.close()
    assert sum_usage(tmp_path) == (0, 0, 0, 100)


def test_what_waits_for_the_disk_is_not_forgotten_where_writing_anew_fails(
    quotas: TenantQuotas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = quotas.reserve(ANNA, 100)
    with monkeypatch.context() as patch:
        FullDisk(patch, 0)
        running.settle(60, 20)
        patch.setattr("ostiary.admission.quotas.MAX_JOURNAL_BYTES", 0)
        with pytest.raises(QuotaFailed):
            quotas.flush()
    quotas.reserve(ANNA, 1).settle(1)
    kill(quotas)
    assert sum_usage(tmp_path) == (0, 41, 20, 0)


def test_a_line_that_could_not_be_taken_back_lets_nothing_follow_it(
    quotas: TenantQuotas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        FullDisk(patch, 5)
        patch.setattr("ostiary.admission.usage_file.os.ftruncate", _fail)
        with pytest.raises(QuotaFailed):
            quotas.reserve(ANNA, 100)
    with pytest.raises(QuotaFailed):
        quotas.reserve(ANNA, 100)
    quotas.flush()
    quotas.reserve(ANNA, 100).settle(1)
    kill(quotas)
    assert read_usage(tmp_path).damaged == 0
    assert sum_usage(tmp_path) == (0, 1, 0, 0)


def _fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


def test_the_disk_is_full_when_the_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_server(tmp_path, HandClocks()).close()
    before = (tmp_path / USAGE_FILE).read_bytes()
    FullDisk(monkeypatch, 10)
    with pytest.raises(QuotaFailed):
        begin_server(tmp_path, HandClocks())
    assert (tmp_path / USAGE_FILE).read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {USAGE_FILE, "usage.lock"}


def test_a_file_that_somebody_removed_is_written_anew(quotas: TenantQuotas, tmp_path: Path) -> None:
    quotas.reserve(ANNA, 10).settle(10)
    (tmp_path / USAGE_FILE).unlink()
    quotas.reserve(ANNA, 20).settle(20)
    quotas.flush()
    kill(quotas)
    assert sum_usage(tmp_path) == (0, 30, 0, 0)


def test_a_file_that_somebody_cut_is_written_anew(quotas: TenantQuotas, tmp_path: Path) -> None:
    quotas.reserve(ANNA, 10).settle(10)
    os.truncate(tmp_path / USAGE_FILE, 30)
    quotas.flush()
    kill(quotas)
    assert sum_usage(tmp_path) == (0, 10, 0, 0)


def test_a_long_file_is_written_anew_while_requests_go_on(
    quotas: TenantQuotas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = quotas.reserve(ANNA, 100)
    for _ in range(200):
        quotas.reserve(ANNA, 3).settle(2, 1)
    monkeypatch.setattr("ostiary.admission.quotas.MAX_JOURNAL_BYTES", 1_000)
    before = (tmp_path / USAGE_FILE).stat().st_size
    snapshot_taken = quotas._file.write_anew

    def write_anew(lines: object, since: int, adding: object) -> None:
        held.settle(70, 70)
        quotas.reserve(ANNA, 5)
        snapshot_taken(lines, since, adding)  # type: ignore[arg-type]

    monkeypatch.setattr(quotas._file, "write_anew", write_anew)
    quotas.flush()
    assert (tmp_path / USAGE_FILE).stat().st_size < before
    kill(quotas)
    assert sum_usage(tmp_path) == (0, 200, 270, 0)
    assert sum(tokens for _, tokens in read_usage(tmp_path).open.values()) == 5


# --- damage ---


def _fill(state: Path, lines: int = 20) -> list[bytes]:
    quotas = begin_server(state, HandClocks())
    for _ in range(lines):
        quotas.reserve(ANNA, 10).settle(10)
    kill(quotas)
    return (state / USAGE_FILE).read_bytes().splitlines(keepends=True)


def test_a_last_line_that_was_not_written_to_its_end_is_passed_over(tmp_path: Path) -> None:
    lines = _fill(tmp_path)
    (tmp_path / USAGE_FILE).write_bytes(b"".join(lines)[:-3])
    quotas = begin_server(tmp_path, HandClocks())
    assert quotas.damage is None
    quotas.close()
    assert sum_usage(tmp_path) == (0, 190, 0, 10)


def test_a_file_that_ends_anywhere_as_when_the_power_went_is_no_damage(tmp_path: Path) -> None:
    """What was written before is counted, and never less of it than at an earlier end."""
    whole = b"".join(_fill(tmp_path, 6))
    before = 0
    for end in range(0, len(whole), 3):
        (tmp_path / USAGE_FILE).write_bytes(whole[:end])
        usage = read_usage(tmp_path)
        assert usage.damaged == 0
        counted = sum_usage(tmp_path)[1] + sum(tokens for _, tokens in usage.open.values())
        assert counted >= before
        before = counted
    assert before == 60


@pytest.mark.parametrize("place", [3, 20])
def test_a_changed_line_is_said_and_kept_and_the_others_count(tmp_path: Path, place: int) -> None:
    lines = _fill(tmp_path)
    lines[place] = lines[place].replace(b"10", b"00", 1)
    changed = b"".join(lines)
    (tmp_path / USAGE_FILE).write_bytes(changed)
    quotas = begin_server(tmp_path, HandClocks())
    assert quotas.damage is not None
    assert quotas.damage.lines >= 1
    assert (tmp_path / quotas.damage.kept).read_bytes() == changed
    quotas.close()
    requests, prompt, _, cut = sum_usage(tmp_path)
    assert (requests, prompt + cut) in {(0, 190), (0, 200)}
    assert begin_server(tmp_path, HandClocks()).damage is None


def test_rubbish_is_kept_under_a_name_of_its_own_each_time(tmp_path: Path) -> None:
    kept = set()
    for _ in range(3):
        (tmp_path / USAGE_FILE).write_bytes(b"\0" * 100 + b"\n" + b"rubbish\n" * 5)
        quotas = begin_server(tmp_path, HandClocks())
        assert quotas.damage is not None
        kept.add(quotas.damage.kept)
        quotas.close()
    assert len(kept) == 3


def test_a_file_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    later = write_line("usage", 2) + write_line("something", "new")
    (tmp_path / USAGE_FILE).write_bytes(later)
    with pytest.raises(Misuse, match="another version") as error:
        begin_server(tmp_path, HandClocks())
    assert error.value.code == QUOTA_UNUSABLE.name
    assert (tmp_path / USAGE_FILE).read_bytes() == later


def test_a_file_that_others_may_write_or_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    _fill(tmp_path)
    path = tmp_path / USAGE_FILE
    path.chmod(0o666)
    with pytest.raises(Misuse, match="written by others"):
        begin_server(tmp_path, HandClocks())
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misuse, match="cannot be opened"):
        begin_server(tmp_path, HandClocks())
    path.unlink()
    path.mkdir()
    with pytest.raises(Misuse):
        begin_server(tmp_path, HandClocks())


@pytest.mark.parametrize(
    "line",
    [
        write_line("hold", 1, NOON, "anna", -5),
        write_line("hold", 1, NOON, "anna", True),
        write_line("hold", 1, NOON, "", 5),
        write_line("hold", 1, 1e300, "anna", 5),
        write_line("hold", 1, NOON, "a" * 1_000, 5),
        write_line("hold", 1, NOON, "anna"),
        write_line("settle", 77, NOON, 5, 5),
        write_line("count", NOON, None),
        write_line("count", "NaN", "anna"),
        write_line("window", "anna", "other", []),
        write_line("window", "anna", "day", [[NOON]]),
        write_line("window", "anna", "day", {"a": 1}),
        write_line("day", 1 << 60, "anna", 1, 1, 1, 1),
        write_line("day", 1, "anna", 1, 1, 1),
        write_line("shift", None),
        write_line("nothing", 1),
        write_line(["list"], 1),
        write_line({}),
        b"00000000 []\n",
        b"\n",
    ],
)
def test_lines_that_are_none_change_nothing(tmp_path: Path, line: bytes) -> None:
    lines = _fill(tmp_path, 2)
    (tmp_path / USAGE_FILE).write_bytes(b"".join([*lines, line, write_line("shift", 0)]))
    assert read_usage(tmp_path).damaged == 1
    assert sum_usage(tmp_path) == (0, 20, 0, 0)


# --- two servers ---


def test_a_second_server_is_refused_and_the_first_goes_on(quotas: TenantQuotas, tmp_path: Path) -> None:
    with pytest.raises(ServerFailed) as error:
        open_quotas(make_table(), tmp_path)
    assert error.value.code == SERVER_STATE_IN_USE.name
    quotas.reserve(ANNA, 10).settle(10)
    quotas.close()
    open_quotas(make_table(), tmp_path).close()


def test_usage_can_be_read_while_the_server_runs(quotas: TenantQuotas, tmp_path: Path) -> None:
    quotas.reserve(ANNA, 10).settle(10)
    quotas.reserve(ANNA, 20)
    assert sum_usage(tmp_path) == (0, 10, 0, 0)
    assert [*read_usage(tmp_path).open.values()] == [("anna", 20)]


def test_a_closed_file_counts_nothing_more(quotas: TenantQuotas, tmp_path: Path) -> None:
    late = quotas.reserve(ANNA, 10)
    quotas.close()
    late.settle(5)
    with pytest.raises((QuotaFailed, AdmissionRefused)):
        quotas.reserve(ANNA, 10)
    again = begin_server(tmp_path, HandClocks())
    again.close()
    assert sum_usage(tmp_path) == (0, 0, 0, 10)
