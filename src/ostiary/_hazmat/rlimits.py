"""Resource limits of another process, which Python wraps on Linux only.

For the cell: a worker lives longer than one request, and each request has a budget of processor time.
"""

from __future__ import annotations

import resource
import sys


def grant_processor_time(pid: int, seconds: int) -> None:
    """Let a process use `seconds` in all since it began; then the kernel sends it SIGXCPU.

    The pid must be one that cannot have been given to another process meanwhile. Raises OSError.
    On macOS nobody can do this to another process, and nothing happens: the watchdog alone meters time there.
    """
    if sys.platform == "linux":
        resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
