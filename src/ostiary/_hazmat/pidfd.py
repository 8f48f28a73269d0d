"""Processes by descriptor: no other process can ever be meant, however pids are used again.

For the cell and its fork server. Where the system has no such descriptors (macOS), `open_process` gives None and
only the parent of a process ends it, before it waits for it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path


def open_process(pid: int) -> int | None:
    """A descriptor of a process whose pid cannot be used again yet: oneself, or a child not waited for."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def send_signal(process: int, number: int) -> None:
    """Nothing happens where the process ended already."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, number)


def wait_for_end(process: int, seconds: float) -> bool:
    """Whether the process ended within this time. Its exit status stays for its parent."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(max(0, round(seconds * 1000))))


def is_stopped(process: int) -> bool:
    """Whether somebody stopped the process, by a signal or a debugger. False where the system does not tell."""
    try:
        told = Path(f"/proc/self/fdinfo/{process}").read_text("ascii")
        pid = next(int(line.partition(":")[2]) for line in told.splitlines() if line.startswith("Pid:"))
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (OSError, ValueError, StopIteration):
        return False
    return stat.rpartition(b")")[2].split()[:1] in ([b"T"], [b"t"])


def reap_orphan(process: int) -> None:
    """Take the exit status where the process became our own child, as orphans do below process 1 of a container."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.waitid(os.P_PIDFD, process, os.WEXITED | os.WNOHANG)
