"""Requests for more memory at once than a worker may have in all, which the kernel asks the cell about."""

from __future__ import annotations

import math
import time
from typing import Final

from ostiary._hazmat.notify import DeniedCall
from ostiary.cell.allowed_calls import MEMORY_CALLS, is_let_through
from ostiary.core.limits import MAX_LAST_WORDS_MS, MAX_MEMORY_REFUSALS


class MemoryRefusals:
    """Of one process. What follows tells: Python raises MemoryError, MLX ends by a segmentation fault."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes: Final = memory_bytes
        self._count = 0
        self._last = -math.inf

    @property
    def was_just_now(self) -> bool:
        return time.monotonic() - self._last < MAX_LAST_WORDS_MS / 1000

    def is_one(self, name: str, denied: DeniedCall) -> bool:
        """Whether the wall would let it through, were it not for so much memory at once."""
        return (
            name in MEMORY_CALLS
            and denied.arguments[MEMORY_CALLS[name]] >= self._memory_bytes
            and is_let_through(name, denied.arguments)
        )

    def note(self) -> bool:
        """False where there were too many."""
        self._count += 1
        self._last = time.monotonic()
        return self._count <= MAX_MEMORY_REFUSALS
