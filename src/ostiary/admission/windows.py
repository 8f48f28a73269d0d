"""How much there was in the last minute, or day: a window that moves with time, in steps. Pure.

It never tells less than there was: an amount counts for the whole span and until the end of its step. So whoever
lets in no more than what is left never lets in more than the limit in any span of that length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

MINUTE_SECONDS: Final = 60
DAY_SECONDS: Final = 86_400
_MINUTE_STEP: Final = 1
_DAY_STEP: Final = 600
_INSTANT: Final = 0.001


class RollingWindow:
    """Amounts by the step in which they came; only those that still count. Its times never go back."""

    __slots__ = ("_amounts", "_now", "_steps", "_total", "step_seconds")

    def __init__(self, span_seconds: int, step_seconds: int) -> None:
        self.step_seconds: Final = step_seconds
        self._steps: Final = span_seconds // step_seconds
        self._amounts: Final[deque[list[int]]] = deque()
        self._total = 0
        self._now = 0

    def add(self, now: float, amount: int) -> None:
        self._move_to(now)
        if amount <= 0:
            return
        if self._amounts and self._amounts[-1][0] == self._now:
            self._amounts[-1][1] += amount
        else:
            self._amounts.append([self._now, amount])
        self._total += amount

    def count(self, now: float) -> int:
        self._move_to(now)
        return self._total

    def wait_until(self, now: float, most: int) -> float:
        """Seconds until no more than `most` counts, if nothing is added."""
        self._move_to(now)
        left, ready = self._total, now
        for step, amount in self._amounts:
            if left <= most:
                break
            left -= amount
            ready = (step + self._steps + 1) * self.step_seconds
        return max(0.0, ready - now)

    def list_amounts(self, now: float) -> list[tuple[float, int]]:
        """Each with the last moment of its step, the earliest first."""
        self._move_to(now)
        return [((step + 1) * self.step_seconds - _INSTANT, amount) for step, amount in self._amounts]

    def restore(self, amounts: Iterable[tuple[float, int]], now: float) -> None:
        """What `list_amounts` gave, perhaps of another clock: what would be to come counts as of now."""
        latest = int(now // self.step_seconds)
        steps: dict[int, int] = {}
        for time, amount in amounts:
            step = min(int(time // self.step_seconds), latest)
            steps[step] = steps.get(step, 0) + amount
        for step in sorted(steps):
            self.add(step * self.step_seconds, steps[step])
        self._move_to(now)

    def _move_to(self, now: float) -> None:
        self._now = max(self._now, int(now // self.step_seconds))
        oldest = self._now - self._steps
        while self._amounts and self._amounts[0][0] < oldest:
            self._total -= self._amounts.popleft()[1]


def make_minute() -> RollingWindow:
    return RollingWindow(MINUTE_SECONDS, _MINUTE_STEP)


def make_day() -> RollingWindow:
    return RollingWindow(DAY_SECONDS, _DAY_STEP)
