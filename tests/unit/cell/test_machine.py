"""Memory and cores as our control group leaves them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ostiary.cell.machine import Machine, count_oom_kills, read_machine

GIB = 1 << 30


class Groups:
    """A tree as /sys/fs/cgroup has it, and the files of /proc beside it."""

    def __init__(self, place: Path) -> None:
        self.groups = place / "cgroup"
        self.own = place / "self"
        self.meminfo = place / "meminfo"
        self.vmstat = place / "vmstat"
        self.write(self.own, "1:name=systemd:/x\n0::/user/app\n")
        self.write(self.meminfo, "MemTotal: 99 kB\nMemAvailable: 2097152 kB\n")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self) -> Machine:
        return read_machine(self.groups, self.own, self.meminfo)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1 << 20, "SC_PAGE_SIZE": 4_096}.__getitem__)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    return Groups(tmp_path)


def test_no_group_is_the_whole_machine(tree: Groups) -> None:
    assert tree.read() == Machine(4 * GIB, 2 * GIB, 8)
    tree.own.unlink()
    tree.meminfo.unlink()
    assert tree.read() == Machine(4 * GIB, 4 * GIB, 8)


def test_the_tightest_group_counts(tree: Groups) -> None:
    tree.write(tree.groups / "user" / "memory.max", str(GIB))
    tree.write(tree.groups / "user" / "memory.current", str(GIB // 4))
    tree.write(tree.groups / "user" / "app" / "memory.max", "max")
    tree.write(tree.groups / "user" / "app" / "cpu.max", "250000 100000")
    assert tree.read() == Machine(GIB, GIB * 3 // 4, 2)


def test_less_than_a_core_is_one(tree: Groups) -> None:
    tree.write(tree.groups / "cpu.max", "50000 100000")
    assert tree.read().cores == 1


@pytest.mark.parametrize("text", ["", "x", "max", "-1", "\xff"])
def test_what_is_not_a_number_limits_nothing(tree: Groups, text: str) -> None:
    tree.write(tree.groups / "user" / "memory.max", text)
    tree.write(tree.groups / "user" / "cpu.max", text)
    assert tree.read() == Machine(4 * GIB, 2 * GIB, 8)


def test_a_group_outside_of_the_tree_is_not_looked_for(tree: Groups) -> None:
    tree.write(tree.own, "0::/../../elsewhere\n")
    assert tree.read().memory_bytes == 4 * GIB


def test_kills_are_counted_where_they_belong_to(tree: Groups) -> None:
    tree.write(tree.vmstat, "pgfault 3\noom_kill 7\n")
    assert count_oom_kills(tree.groups, tree.own, tree.vmstat) == 7
    tree.write(tree.groups / "user" / "memory.events", "low 0\noom 9\noom_kill 2\n")
    assert count_oom_kills(tree.groups, tree.own, tree.vmstat) == 2
    assert count_oom_kills(tree.groups, tree.own / "none", tree.own / "none") == 0


def test_this_machine_has_memory_and_a_core() -> None:
    machine = read_machine()
    assert 0 < machine.available_bytes <= machine.memory_bytes
    assert machine.cores >= 1
