"""How much memory may still be taken before the kernel ends a process for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MEMINFO: Final = Path("/proc/meminfo")
_OWN_GROUP: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")


def read_memory_left(meminfo: Path = _MEMINFO, own_group: Path = _OWN_GROUP, groups: Path = _GROUPS) -> int | None:
    """Bytes, by the system and by every control group (version 2) that this process is in; None: nobody knows."""
    lefts = [_parse_available(_read(meminfo))]
    for line in _read(own_group).splitlines():
        if line.startswith("0::/") and ".." not in line:  # outside of what this process can see
            group = groups / line[len("0::/") :]
            lefts += [_read_group(place) for place in (group, *group.parents) if place.is_relative_to(groups)]
    return min((left for left in lefts if left is not None), default=None)


def _read_group(group: Path) -> int | None:
    """The group's limit, less what it holds and could not drop: files that are cached are dropped first."""
    limit, held = (_parse_number(_read(group / name)) for name in ("memory.max", "memory.current"))
    if limit is None or held is None:  # "max", or a group that has no such controller
        return None
    stat = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
    cached = [_parse_number(stat.get(name, "")) for name in ("active_file", "inactive_file")]
    return max(limit - held + sum(count or 0 for count in cached), 0)


def _parse_available(meminfo: str) -> int | None:
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "MemAvailable:":
            kilobytes = _parse_number(words[1])
            return None if kilobytes is None else kilobytes << 10
    return None


def _parse_number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
