"""Power loss: the database and its write-ahead log as a disk could have kept them, at every point in time."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from record_tools import database_of, fill, make_event, verify

from ostiary.record.begin import open_log, open_reader

_WAL_HEADER = 32
_FRAME = 24 + 8192
_PAGE = 8192


class Recorded:
    """A record's files before and after some commits, and how long the write-ahead log was at each acknowledgement."""

    def __init__(self, place: Path, commits: int) -> None:
        state = place / "state"
        fill(state, 12)
        self.source = state / "record"
        wal = self.source / "log.db-wal"
        self.acknowledged: list[tuple[int, int]] = []
        with open_log(state) as log:
            connection = log._store._connection
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            self.before = database_of(state).read_bytes()
            for i in range(commits):
                last = log.append_many([make_event(i * 10 + j) for j in range(1 + i % 4)]) + i % 4
                self.acknowledged.append((wal.stat().st_size, last + 1))
            self.checkpoint = log.sign_checkpoint()
            self.wal = wal.read_bytes()
            self.size = connection.execute("SELECT max(n) + 1 FROM entry").fetchone()[0]
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self.after = database_of(state).read_bytes()

    def lay_out(self, place: Path, database: bytes, wal: bytes) -> Path:
        """A state directory with just these bytes, as the disk shows them after the power came back."""
        shutil.rmtree(place, ignore_errors=True)
        (place / "record").mkdir(parents=True)
        (place / "record" / "log.db").write_bytes(database)
        (place / "record" / "log.db-wal").write_bytes(wal)
        shutil.copy2(self.source / "log.key", place / "record" / "log.key")
        return place

    def count_acknowledged(self, wal_bytes: int) -> int:
        """How many entries were acknowledged when the write-ahead log was this long."""
        return max((entries for length, entries in self.acknowledged if length <= wal_bytes), default=13)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("power"), commits=25)


def check(state: Path, at_least: int) -> int:
    """The record verifies and has everything acknowledged; returns its size."""
    size = verify(state).size
    assert size >= at_least
    with open_reader(state) as reader:
        assert reader.read_entry(size - 1).index == size - 1
    return size


def list_cuts(wal_bytes: int) -> list[int]:
    """Every frame boundary, and places within frame headers and pages."""
    cuts = [0, 1, 31]
    for start in range(_WAL_HEADER, wal_bytes + 1, _FRAME):
        cuts += [start, start + 1, start + 23, start + 24, start + 600, start + _FRAME - 1]
    return [cut for cut in cuts if cut <= wal_bytes]


def test_a_write_ahead_log_cut_anywhere_keeps_what_was_acknowledged(recorded: Recorded, tmp_path: Path) -> None:
    sizes = set()
    for cut in list_cuts(len(recorded.wal)):
        state = recorded.lay_out(tmp_path / "cut", recorded.before, recorded.wal[:cut])
        sizes.add(check(state, recorded.count_acknowledged(cut)))
    assert len(sizes) > 20


def test_sectors_that_never_reached_the_disk_take_nothing_acknowledged_with_them(
    recorded: Recorded, tmp_path: Path
) -> None:
    dice = random.Random(7)  # noqa: S311
    for length, entries in recorded.acknowledged:
        tail = bytearray(recorded.wal[length:])
        for sector in range(0, len(tail), 512):
            if dice.random() < 0.3:
                tail[sector : sector + 512] = dice.choice((bytes(512), dice.randbytes(512)))[: len(tail) - sector]
        state = recorded.lay_out(tmp_path / "torn", recorded.before, recorded.wal[:length] + bytes(tail))
        check(state, entries)


def test_pages_moved_into_the_database_only_in_part_are_moved_again(recorded: Recorded, tmp_path: Path) -> None:
    dice = random.Random(11)  # noqa: S311
    before = recorded.before.ljust(len(recorded.after), b"\0")
    for _ in range(40):
        mixed = b"".join(
            (recorded.after if dice.random() < 0.5 else before)[at : at + _PAGE]
            for at in range(0, len(recorded.after), _PAGE)
        )
        state = recorded.lay_out(tmp_path / "mixed", mixed, recorded.wal)
        assert check(state, recorded.size) == recorded.size
        assert verify(state, recorded.checkpoint)


def test_the_record_goes_on_after_the_power_came_back(recorded: Recorded, tmp_path: Path) -> None:
    length, entries = recorded.acknowledged[10]
    state = recorded.lay_out(tmp_path / "on", recorded.before, recorded.wal[: length + 700])
    with open_log(state) as log:
        assert log.append(make_event()) == entries
    assert verify(state).size == entries + 1
