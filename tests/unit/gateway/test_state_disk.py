"""The disk of the state directory, as the file system tells of it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ostiary.gateway.state_disk import StateDisk, has_room

ROOMY = {"f_blocks": 100, "f_bavail": 50, "f_bfree": 60, "f_frsize": 4_096, "f_flag": 0}


def tell(monkeypatch: pytest.MonkeyPatch, *, user: int = 1_000, **told: int) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**{**ROOMY, **told}))
    monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.mark.parametrize(
    ("user", "told", "expected"),
    [
        (1_000, {}, True),
        (1_000, {"f_bavail": 16}, True),
        (1_000, {"f_bavail": 15}, False),
        (0, {"f_bavail": 0}, True),
        (0, {"f_bavail": 0, "f_bfree": 15}, False),
        (1_000, {"f_flag": os.ST_RDONLY}, False),
        (1_000, {"f_blocks": 0, "f_bavail": 0}, True),
    ],
    ids=["roomy", "just", "full", "kept-for-root", "full-for-root", "read-only", "says-nothing"],
)
def test_whether_there_is_room(
    monkeypatch: pytest.MonkeyPatch, user: int, told: dict[str, int], expected: bool
) -> None:
    tell(monkeypatch, user=user, **told)
    assert has_room(Path("state")) is expected


def test_where_nothing_is_known_whoever_writes_will_see(tmp_path: Path) -> None:
    assert has_room(tmp_path / "absent")


def test_it_is_told_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    notes: list[str] = []
    disk = StateDisk(Path("state"), told.append, notes.append)
    for free in (50, 0, 0, 50, 50):
        tell(monkeypatch, f_bavail=free)
        disk.look()
    assert told == [True, False]
    assert ["is full" in note for note in notes] == [True, False]
