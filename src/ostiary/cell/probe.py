"""Asks the running system what it can do for a wall. Nothing is changed by asking.

The one slow question, some 30 ms and once, is whether this user may have namespaces: a process of its own tries.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from ostiary._hazmat import landlock, namespaces, prctl, seccomp
from ostiary.cell.profile import MACHINES, SystemFacts

# No account has these ids, and no container manager gives them out (systemd, "Users, Groups, UIDs and GIDs").
_FREE_USERS: Final = (0x7000_0000, 0x7FFF_FFFF)
# Where a container has 65,536 ids only: those that systemd gives to services for the time they run.
_DYNAMIC_USERS: Final = (61_184, 65_519)

_CAP_SETGID, _CAP_SETUID, _CAP_SYS_ADMIN, _CAP_SYS_RESOURCE = 6, 7, 21, 24


@cache
def read_facts() -> SystemFacts:
    """Read once in a process: what a kernel can do does not change while it runs."""
    machine = os.uname().machine
    users = _find_cell_users()
    return SystemFacts(
        system=sys.platform,
        machine=machine,
        kernel=os.uname().release,
        user_id=os.geteuid(),
        group_id=os.getegid(),
        can_change_user=users is not None and {_CAP_SETGID, _CAP_SETUID} <= _read_capabilities(),
        cell_users=users or (0, 0),
        landlock_version=landlock.read_version(),
        has_seccomp=seccomp.has_filters(),
        has_listener=seccomp.has_listener(),
        has_no_new_code=prctl.has_no_new_code(),
        namespaces=_find_namespaces(machine),
        has_seatbelt=sys.platform == "darwin",
        can_grant_time=_CAP_SYS_RESOURCE in _read_capabilities(),
    )


def count_threads_of_user() -> int:
    """How many threads this user has, as the kernel counts them against the limit. 0 where nobody can tell."""
    user = os.getuid()
    try:
        names = [entry.name for entry in os.scandir("/proc") if entry.name.isdecimal()]
    except OSError:
        return 0
    return sum(_count_threads(f"/proc/{name}/status", user) for name in names)


def _count_threads(status: str, user: int) -> int:
    try:
        text = Path(status).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0  # it ended
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(fields["Threads"]) if int(fields["Uid"].split()[0]) == user else 0


def _find_cell_users() -> tuple[int, int] | None:
    for first, last in (_FREE_USERS, _DYNAMIC_USERS):
        if all(_is_mapped(f"/proc/self/{name}", first, last) for name in ("uid_map", "gid_map")):
            return first, last
    return None


def _is_mapped(path: str, first: int, last: int) -> bool:
    """Whether one line of the map holds the whole range: first id inside, first id outside, how many."""
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    ranges = [(int(start), int(count)) for start, _, count in (line.split() for line in lines)]
    return any(start <= first and last < start + count for start, count in ranges)


def _read_capabilities() -> frozenset[int]:
    """The numbers of the effective ones."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return frozenset(number for number in range(64) if mask >> number & 1)


def _find_namespaces(machine: str) -> frozenset[str]:
    if sys.platform != "linux" or machine not in MACHINES:
        return frozenset()
    kinds = {"network", "ipc", "uts", "mount"}
    if os.geteuid() != 0:
        kinds.add("user")
    elif _CAP_SYS_ADMIN not in _read_capabilities():
        return frozenset()
    flags = sum(namespaces.NAMES[kind] for kind in kinds)
    return frozenset(kinds) if namespaces.can_enter(flags, machine) else frozenset()
