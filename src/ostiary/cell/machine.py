"""How much memory and how many cores there are for us: the machine's, or what our control group leaves of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ostiary.core.values import dataclass

_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUP: Final = Path("/proc/self/cgroup")
_MEMORY: Final = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """What `limits.derive_limits` starts from."""

    memory_bytes: int
    available_bytes: int
    """Free, or given back at once when asked for."""
    cores: int


def read_machine(groups: Path = _GROUPS, own_group: Path = _OWN_GROUP, meminfo: Path = _MEMORY) -> Machine:
    """Never fails: where a file is not there, the system's own word counts."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    available = _read_available(meminfo, memory)
    cores: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _own_groups(groups, own_group):
        most = _read_number(group / "memory.max")
        if most is not None and most < memory:
            memory = most
            available = min(available, max(0, most - (_read_number(group / "memory.current") or 0)))
        cores = min(cores, _read_share(group / "cpu.max"))
    return Machine(memory, available, max(1, int(cores)))


def count_oom_kills(
    groups: Path = _GROUPS, own_group: Path = _OWN_GROUP, vmstat: Path = Path("/proc/vmstat")
) -> int:
    """How many processes the kernel ended for want of memory: in our group where it counts them, else at all."""
    for group in _own_groups(groups, own_group):
        kills = _read_field(group / "memory.events", "oom_kill")
        if kills is not None:
            return kills
    return _read_field(vmstat, "oom_kill") or 0


def _own_groups(groups: Path, own_group: Path) -> Iterator[Path]:
    """Ours and those it lies in, innermost first; version 2 of control groups only."""
    try:
        lines = own_group.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    name = next((line[3:] for line in lines if line.startswith("0::/")), None)
    if name is None or ".." in name.split("/"):
        return
    group = groups / name.strip("/")
    while group != groups.parent:
        yield group
        group = group.parent


def _read_available(meminfo: Path, memory: int) -> int:
    kilobytes = _read_field(meminfo, "MemAvailable:")
    return memory if kilobytes is None else kilobytes << 10


def _read_number(path: Path) -> int | None:
    """None where there is no such file, or it says `max`."""
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _read_share(path: Path) -> float:
    """`200000 100000` is two cores."""
    quota, _, period = _read(path).strip().partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else float("inf")


def _read_field(path: Path, name: str) -> int | None:
    for line in _read(path).splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
