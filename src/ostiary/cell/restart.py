"""How long a model that ended waits before its next process starts, and when it has ended too often. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WINDOW_SECONDS: Final = 600
"""Ends longer ago do not count any more."""
AT_ONCE: Final = 2
"""Ends within the window after which the next process starts at once."""
FIRST_DELAY_SECONDS: Final = 0.25
LONGEST_DELAY_SECONDS: Final = 30.0


def next_delay_seconds(ends: Sequence[float], now: float) -> float:
    """Seconds from now until the next start. `ends`: when the last processes of the model ended, on `now`'s clock.

    After the first two ends within the window the next process starts at once; from the third on a pause doubles.
    With the usual three restarts, whoever asks next so waits for a start and at most a quarter of a second.

    That costs nobody anything: what a pause is to keep away is a model that ends again and again and takes a
    processor with its starts, and two starts without one in ten minutes are no such thing. How often it may end at
    all is not said here but by `restarts`, after which it is quarantined; who sets that high has the pauses, which
    come to half a minute. An end that a clock set back puts into the future counts as one of just now.
    """
    recent = [min(end, now) for end in ends if now - end < WINDOW_SECONDS]
    if len(recent) <= AT_ONCE:
        return 0.0
    pause = min(FIRST_DELAY_SECONDS * 2.0 ** min(len(recent) - AT_ONCE - 1, 16), LONGEST_DELAY_SECONDS)
    return max(0.0, max(recent) + pause - now)


def has_ended_too_often(ends: Sequence[float], now: float, restarts: int) -> bool:
    """Whether the next start would be one more than a model may have within the window."""
    return sum(now - end < WINDOW_SECONDS for end in ends) > restarts
