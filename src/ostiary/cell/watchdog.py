"""One thread that looks after every cell at work: what it uses, and for how long. While all are idle it waits."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

_INTERVAL_SECONDS: Final = 0.02
# Who was stopped for longer than this was not watching, and could not have taken an answer either.
_STOPPED_SECONDS: Final = 1.0


class Watched(Protocol):
    """What is looked after."""

    is_watched: bool
    """Written by the watchdog and by whoever gives it something to watch."""

    def check(self, now: float) -> bool:
        """End what exceeds its limits. False: nothing to look after until it is given to `watch` again."""

    def extend(self, seconds: float) -> None:
        """Give all that has a deadline so much more time."""


class Watchdog:
    """Its thread starts with the first cell and lasts. It alone knows whom it watches: nobody else takes a lock."""

    def __init__(self) -> None:
        self._inbox: Final[queue.SimpleQueue[Watched | Callable[[], None]]] = queue.SimpleQueue()
        self._starting: Final = threading.Lock()
        self._has_thread = False
        self._watched: Final[set[Watched]] = set()
        self._last = 0.0

    def watch(self, watched: Watched) -> None:
        """Until its `check` says that there is nothing to do. Raises RuntimeError without a thread to spare."""
        if watched.is_watched:
            return
        watched.is_watched = True
        self._inbox.put(watched)
        if not self._has_thread:
            with self._starting:
                if not self._has_thread:
                    threading.Thread(target=self._run, name="ostiary-watchdog", daemon=True).start()
                    self._has_thread = True

    def do_soon(self, action: Callable[[], None]) -> None:
        """For finalizers, which must not wait for anything: done by the watchdog's thread."""
        self._inbox.put(action)

    def _run(self) -> None:
        while True:
            self._take_in()
            now = time.monotonic()
            stopped = now - self._last if now - self._last > _STOPPED_SECONDS else 0.0
            self._last = now
            for watched in list(self._watched):
                if stopped:
                    watched.extend(stopped)
                if not self._is_busy(watched, now):
                    watched.is_watched = False
                    if self._is_busy(watched, now):  # somebody gave it work and saw that it was watched
                        watched.is_watched = True
                    else:
                        self._watched.discard(watched)

    def _take_in(self) -> None:
        """Waits for the next look, or for somebody to look after."""
        until = self._last + _INTERVAL_SECONDS
        while True:
            left = until - time.monotonic()
            if self._watched and left <= 0:
                return
            with suppress(queue.Empty):
                item = self._inbox.get(timeout=left if self._watched else None)
                if callable(item):
                    with suppress(BaseException):
                        item()
                else:
                    if not self._watched:
                        self._last = time.monotonic()
                        until = self._last + _INTERVAL_SECONDS
                    self._watched.add(item)

    @staticmethod
    def _is_busy(watched: Watched, now: float) -> bool:
        """One that cannot be checked does not keep the others from it."""
        with suppress(BaseException):  # what an application's callback raises, say
            return watched.check(now)
        return True


_watchdog = [Watchdog()]


def find_watchdog() -> Watchdog:
    """The one of this process."""
    return _watchdog[0]


def _forget() -> None:
    _watchdog[0] = Watchdog()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
