"""What a running program holds, as the kernel tells it. Linux."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holding:
    """A process and all below it."""

    megabytes: float
    """Of the process itself."""
    descriptors: int
    """Of the process itself."""
    threads: int
    """Of the process itself."""
    processes: int
    below_megabytes: float


def look_at(pid: int) -> Holding:
    below = list_below(pid)
    megabytes = sum(_read_megabytes(child) for child in below)
    tasks = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return Holding(_read_megabytes(pid), count_descriptors(pid), tasks, len(below), megabytes)


def is_running(pid: int) -> bool:
    state = _read_text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1]
    return bool(state) and state != ["Z"]


def count_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  one of these may be gone already


def list_below(pid: int) -> list[int]:
    """Its children and theirs, and those that it holds by descriptor: fork servers and processes of models leave it."""
    children = _list_children()
    found: set[int] = set()
    todo = [pid]
    while todo:
        one = todo.pop()
        below = {*children[one], *_list_held(one)} - found - {pid}
        found |= below
        todo += below
    return sorted(found)


def list_workers(pid: int) -> list[int]:
    """The processes of models below a server."""
    return [child for child in list_below(pid) if _read_text(Path(f"/proc/{child}/comm")) == "ostiary-cell\n"]


def _list_held(pid: int) -> list[int]:
    """Processes that it has descriptors of."""
    found = []
    try:
        infos = list(Path(f"/proc/{pid}/fdinfo").iterdir())
    except OSError:
        return []
    for info in infos:
        for line in _read_text(info).splitlines():
            if line.startswith("Pid:") and int(line[4:]) > 0:
                found.append(int(line[4:]))
    return found


def _read_text(path: Path) -> str:
    """Nothing, where it is gone meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _list_children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if fields[0] != "Z":
                children[int(fields[1])].append(int(entry.name))
    return children


def _read_megabytes(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
