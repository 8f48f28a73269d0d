"""Notices a disk that hangs: that takes what it is given, but never says that it has it.

A full disk says so, and costs nobody anything. One that hangs lets whoever writes wait, from some moment on also
where only the system's memory is written to: on ext4 five seconds after it began to hang, when the journal is due.
A thread that has nothing else to do asks it before that; who serves then refuses, and leaves it alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

HANGING_SECONDS: Final = 3.0
"""That a disk may take for what it is to keep. With the second between two times that it is asked, below five."""
_PROBE_SECONDS: Final = 1.0


class DiskWatch:
    """Of one disk. Any number of threads may look; one at a time asks it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock: Final = clock
        self._asked_at: float | None = None

    @property
    def is_hanging(self) -> bool:
        """Takes no lock, and no time."""
        asked_at = self._asked_at
        return asked_at is not None and self._clock() - asked_at > HANGING_SECONDS

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Within it the disk is asked to keep something."""
        self._asked_at = self._clock()
        try:
            yield
        finally:
            self._asked_at = None


@contextmanager
def probing(probe: Callable[[], None], seconds: float = _PROBE_SECONDS) -> Iterator[None]:
    """`probe` is called every second, in a thread of its own: those that others share may all hang already."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(seconds):
            with suppress(Exception):  # requests are told so, too
                probe()

    threading.Thread(target=go_on, name="ostiary-disk", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()  # nobody waits for it: it may hang
