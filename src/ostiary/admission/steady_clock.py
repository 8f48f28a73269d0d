"""Time since 1970 as it was when the server began, and from there on at the pace of a clock that nobody sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_SLEEPING_TOO: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps: on Linux the first does, on macOS the second."""


def read_steady() -> float:
    return time.clock_gettime(_SLEEPING_TOO)


class SteadyClock:
    """Whoever sets the clock of the machine, forward or back, moves none of its times."""

    def __init__(self, steady: Callable[[], float] = read_steady, wall: Callable[[], float] = time.time) -> None:
        self._steady: Final = steady
        self._wall: Final = wall
        self._base: Final = wall() - steady()

    def read(self) -> float:
        return self._base + self._steady()

    def read_shift(self) -> float:
        """How far the clock of the machine was set forward since."""
        return self._wall() - self.read()
