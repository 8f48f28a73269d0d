"""How long a model that ended waits before its next process starts, and when it has ended too often. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WINDOW_SECONDS: Final = 600
"""Ends longer ago do not count any more."""
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0


def next_delay_seconds(ends: Sequence[float], now: float) -> float:
    """Seconds from now until the next start. `ends`: when the last processes of the model ended, on `now`'s clock.

    The first process of a window starts at once, also after its end; from the second end on the pause doubles.
    An end that a clock set back puts into the future counts as one of just now.
    """
    recent = [min(end, now) for end in ends if now - end < WINDOW_SECONDS]
    if len(recent) < 2:
        return 0.0
    pause = min(FIRST_DELAY_SECONDS * 2.0 ** min(len(recent) - 2, 16), LONGEST_DELAY_SECONDS)
    return max(0.0, max(recent) + pause - now)


def has_ended_too_often(ends: Sequence[float], now: float, restarts: int) -> bool:
    """Whether the next start would be one more than a model may have within the window."""
    return sum(now - end < WINDOW_SECONDS for end in ends) > restarts
