"""Stop texts: found in what is written, wherever the borders of its tokens lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple


class Cut(NamedTuple):
    """What may be shown now. `stop`: the stop text that was reached; neither it nor what follows is in `text`."""

    text: str
    stop: str | None


class StopFinder:
    """Holds back what could be the beginning of a stop text, and no more."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops: Final = tuple(stop for stop in stops if stop)
        self._held = ""

    def feed(self, text: str) -> Cut:
        """Text that is new. Nothing may be fed once a stop text was reached."""
        if not self._stops:
            return Cut(text, None)
        seen = self._held + text
        places = [(place, stop) for stop in self._stops if (place := seen.find(stop)) >= 0]
        if places:
            place, stop = min(places)
            self._held = ""
            return Cut(seen[:place], stop)
        keep = max(self._count_begun(seen, stop) for stop in self._stops)
        self._held = seen[len(seen) - keep :]
        return Cut(seen[: len(seen) - keep], None)

    def flush(self) -> str:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _count_begun(seen: str, stop: str) -> int:
        """How many characters at the end of `seen` are the beginning of `stop`."""
        for size in range(min(len(stop) - 1, len(seen)), 0, -1):
            if seen.endswith(stop[:size]):
                return size
        return 0
