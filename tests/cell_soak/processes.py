"""What the kernel says of our processes: who they are, what they hold, who is left."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path


def read_pid(process: int) -> int | None:
    """Of a descriptor for a process; None where it was waited for already."""
    found = re.search(r"^Pid:\s+(-?\d+)$", Path(f"/proc/self/fdinfo/{process}").read_text(), re.MULTILINE)
    return int(found[1]) if found and int(found[1]) > 0 else None


def find_children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def find_marked(marker: str) -> list[int]:
    """All processes that were started with this text in their environment, and those that were forked from them."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                environment = Path(entry.path, "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in environment:
                found.append(int(entry.name))
    return found


def count_descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def find_highest_descriptor() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())


def read_memory_bytes(pid: int) -> int:
    """In memory and of this process alone."""
    _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Looks again and again, as nobody tells."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True
