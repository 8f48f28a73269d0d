"""How much processor time a process may use of which nobody asked anything: next to none."""

from __future__ import annotations

from typing import Final

from ostiary.core.limits import MAX_IDLE_CPU_MS

_MILLISECONDS_EACH_SECOND: Final = 50


class IdleAllowance:
    """For one process, from the moment on at which it became idle. It grows while it is not used."""

    def __init__(self, threads: int) -> None:
        """`threads`: as many as it may have."""
        self._most: Final = float(MAX_IDLE_CPU_MS * threads)
        self._left = self._most
        self._used = 0
        self._since: float | None = None

    def begin(self, now: float, cpu_milliseconds: int) -> None:
        """It has nothing to do from now on."""
        self._since, self._used, self._left = now, cpu_milliseconds, self._most

    def is_used_up(self, now: float, cpu_milliseconds: int) -> bool:
        if self._since is None:
            return False
        grown = self._left + (now - self._since) * _MILLISECONDS_EACH_SECOND
        self._left = min(self._most, grown) - (cpu_milliseconds - self._used)
        self._since, self._used = now, cpu_milliseconds
        return self._left < 0
