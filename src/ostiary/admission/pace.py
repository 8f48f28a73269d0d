"""How fast requests leave, and so when there will be room: an estimate for Retry-After. Pure."""

from __future__ import annotations

import math
from typing import Final

from ostiary.core.limits import MAX_RETRY_SECONDS

_SHARE: Final = 0.1
"""How much the newest counts: after ten, what was before is a third."""
_LEAST_SECONDS: Final = 1.0


class Pace:
    """Of one gate. Times are of its clock."""

    def __init__(self) -> None:
        self._between: float | None = None
        """Seconds of a place for each request that ended: its own time, divided among all that were inside."""
        self._last = 0.0

    def note_end(self, now: float, seconds: float, inside: int) -> None:
        """One that was inside for so long ended; `inside`: with it, so many were."""
        between = seconds / max(1, inside)
        self._between = between if self._between is None else self._between + _SHARE * (between - self._between)
        self._last = now

    def foresee(self, now: float, ahead: int, inside: int, share: float) -> float:
        """Whole seconds until `ahead` more were let in, of whom somebody has this share."""
        between = self._between
        if between is None:
            between = _LEAST_SECONDS
        elif inside:  # nothing left for longer than usual: then it goes slower now
            between = max(between, (now - self._last) / (inside + 1))
        seconds = (ahead + 1) * between / share
        return float(min(max(math.ceil(seconds), _LEAST_SECONDS), MAX_RETRY_SECONDS))
