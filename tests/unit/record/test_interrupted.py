"""Ctrl-C while something is being recorded: whoever records next is not kept waiting for ever."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ostiary.record import store as storing
from ostiary.record.begin import open_log
from ostiary.record.events import ModelReleased
from ostiary.record.group import GroupWriter, Member

PATIENCE = 30.0
EVENT = ModelReleased(correlation_id="c", root="00" * 32)


def _write(members: Sequence[Member]) -> None:
    for member in members:
        member.first = 7


def test_again_while_the_turn_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    group = GroupWriter(_write)
    really_end, times = group._end_turn, [1, 2]

    def end(member: Member, members: Sequence[Member]) -> None:
        if times:
            times.pop()
            raise KeyboardInterrupt
        really_end(member, members)

    monkeypatch.setattr(group, "_end_turn", end)
    with pytest.raises(KeyboardInterrupt):
        group.write(())
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(group.write(())), daemon=True)
    other.start()
    other.join(PATIENCE)
    assert found == [7]


def test_a_turn_is_ended_by_whose_it_is_alone() -> None:
    group = GroupWriter(_write)
    member = Member(())
    with group.exclusively():
        group._end_turn(member, [member])
        assert group._is_writing


def test_while_the_lock_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_lock = fcntl.flock

    def flock(file: int, operation: int) -> None:
        really_lock(file, operation)
        if operation == fcntl.LOCK_UN:
            monkeypatch.setattr(storing.fcntl, "flock", really_lock)
            raise KeyboardInterrupt

    with open_log(tmp_path) as log:
        monkeypatch.setattr(storing.fcntl, "flock", flock)
        with pytest.raises(KeyboardInterrupt):
            log.emit(EVENT)
        other = threading.Thread(target=log.emit, args=(EVENT,), daemon=True)
        other.start()
        other.join(PATIENCE)
        assert not other.is_alive()
