"""For how long a process has been stopped. Somebody outside did that: the wall lets it send no signal for it."""

from __future__ import annotations

from typing import Final

from ostiary.core.limits import MAX_STOPPED_MS

_MOST_SECONDS: Final = MAX_STOPPED_MS / 1000
_STEP_SECONDS: Final = 1.5
"""More than between two looks at one that is idle. Who did not look for longer was stopped, too, perhaps by the
same key, and they go on in either order: all that time counts as one look.
"""


class StoppedTime:
    """Of one process. Pure: told at each look how it stands."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last: float | None = None
        """When it was seen stopped last; None where it went on since."""

    def is_over(self, now: float, *, is_stopped: bool) -> bool:
        """Whether it has been stopped for longer than may be."""
        if not is_stopped:
            self._seconds, self._last = 0.0, None
            return False
        if self._last is not None:
            self._seconds += min(now - self._last, _STEP_SECONDS)
        self._last = now
        return self._seconds > _MOST_SECONDS
