"""How much memory the processes of all models may have together, and who has how much of it.

What counts is what they may have, not what they use at a moment: so no request can bring another model's process to
an end. Any number of threads may use it.
"""

from __future__ import annotations

import threading
from typing import Final

from ostiary.cell.limits import share_of
from ostiary.cell.machine import read_machine


def derive_budget() -> int:
    """Where nobody says how much: as much as one model may have by itself."""
    return share_of(read_machine().memory_bytes)


class MemoryBudget:
    """In bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._lock: Final = threading.Lock()
        self._most = most_bytes
        self._taken = 0

    @property
    def most_bytes(self) -> int:
        return self._most

    @property
    def taken_bytes(self) -> int:
        return self._taken

    def change(self, most_bytes: int) -> None:
        """Nothing is taken from whoever has it: where there is less now, it is free when others let go."""
        with self._lock:
            self._most = most_bytes

    def take(self, count: int) -> bool:
        with self._lock:
            if self._taken + count > self._most:
                return False
            self._taken += count
            return True

    def give_back(self, count: int) -> None:
        with self._lock:
            self._taken -= count


class Share:
    """What one version of a model has of it."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget: Final = budget
        self._bytes = 0
        self._lock: Final = threading.Lock()

    @property
    def bytes(self) -> int:
        return self._bytes

    def take(self, count: int) -> bool:
        """Whether there was so much."""
        with self._lock:
            is_there = self._budget.take(count)
            self._bytes += count if is_there else 0
            return is_there

    def inherit(self, before: Share, count: int) -> None:
        """This version replaces that one, which goes as soon as nobody asks it any more."""
        with before._lock:
            inherited = min(before._bytes, count)
            before._bytes -= inherited
        with self._lock:
            self._bytes += inherited

    def give_back(self) -> None:
        """All. Any number of times."""
        with self._lock:
            count, self._bytes = self._bytes, 0
        self._budget.give_back(count)
