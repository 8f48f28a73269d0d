"""How the GNU C library keeps memory that was freed. For the worker only.

By itself it gives large blocks back to the kernel at once and asks for them anew, and the kernel clears them each
time. Where a network's weights are widened piece by piece at each use, that takes as long as the work itself.
"""

from __future__ import annotations

import ctypes
from typing import Final

# The parameters of mallopt(3) by number.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST_BLOCK: Final = 32 << 20  # the most that the library takes
_KEPT_BYTES: Final = 128 << 20


def keep_freed_memory() -> None:
    """For this process, for good. Other C libraries have no such function, and need none."""
    try:
        change = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    change(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
    change(_M_TRIM_THRESHOLD, _KEPT_BYTES)
