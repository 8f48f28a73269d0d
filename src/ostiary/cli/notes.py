"""Notes of a server to its operator: nobody who is served waits for whoever reads them, or does not.

A terminal that somebody stopped with Ctrl-S, a pipe that is full, a collector of logs that hangs: a write to each
of them waits, for ever if need be. So once the server serves, one thread writes, in order, and all others go on.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from ostiary.cli import ui

_MOST_WAITING: Final = 1_000
"""Lines, each of a few hundred characters: enough for a night of notes, and less than a megabyte."""
_MOST_BEFORE_DRAWING: Final = 1
"""What is taken away right after it was drawn has to be."""
_LAST_SECONDS: Final = 2.0
"""That the end of the program waits for whoever reads: supervisors wait longer."""


class Notes:
    """To standard error. Any number of threads may use it."""

    def __init__(self, *, last_seconds: float = _LAST_SECONDS) -> None:
        self._last_seconds: Final = last_seconds
        self._changed: Final = threading.Condition()
        self._waiting: Final[deque[str]] = deque()
        self._dropped = 0
        """Since the last that found a place: they would have come right behind it."""
        self._writer: threading.Thread | None = None
        self._is_ending = False

    def begin(self) -> None:
        """From now on nobody waits. Until then all is written at once, as nothing of it may be lost."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, name="ostiary-notes", daemon=True)
            self._writer.start()

    def say(self, line: str) -> None:
        """One note. Dropped, and counted, where as many wait as may."""
        if self._writer is None:
            ui.note(line)
            return
        with self._changed:
            if self._is_ending:
                return
            if len(self._waiting) >= _MOST_WAITING:
                self._dropped += 1
                return
            self._tell_dropped()
            self._waiting.append(f"{line}\n")
            self._changed.notify_all()

    def draw(self, text: str) -> None:
        """Part of something that moves. Dropped where others wait: the next one says it better."""
        if self._writer is None:
            ui.draw(text)
            return
        with self._changed:
            if len(self._waiting) <= _MOST_BEFORE_DRAWING and not self._is_ending:
                self._waiting.append(text)
                self._changed.notify_all()

    def end(self) -> None:
        """What waits is written, as far as somebody reads it within a moment. What is said later is dropped."""
        with self._changed:
            self._tell_dropped()
            self._is_ending = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join(self._last_seconds)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._waiting.append(f"ostiary: {self._dropped:,} more notes found nobody who read them\n")
            self._dropped = 0

    def _write_all(self) -> None:
        while (text := self._wait_for_next()) is not None:
            ui.write_directly(text)
            with self._changed:
                self._waiting.popleft()

    def _wait_for_next(self) -> str | None:
        """It stays where it is while it is written: it takes a place until somebody read it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ending)
            return self._waiting[0] if self._waiting else None
