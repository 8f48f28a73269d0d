"""One thread that looks after every cell: what it uses, and for how long. At idle ones it looks only rarely."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

_INTERVAL_SECONDS: Final = 0.02
_IDLE_INTERVAL_SECONDS: Final = 1.0
# Who was stopped for longer than this was not watching, and could not have taken an answer either.
_STOPPED_SECONDS: Final = 1.0


class Watched(Protocol):
    """What is looked after."""

    is_watched: bool
    """Written by the watchdog and by whoever gives it something to watch."""

    def check(self, now: float) -> bool:
        """End what exceeds its limits. False: it is idle until it is given to `watch` again."""

    def check_idle(self, now: float) -> bool:
        """The same of one that is idle. False: it is gone, and nothing to look after any more."""

    def extend(self, seconds: float) -> None:
        """Give all that has a deadline so much more time."""


class Watchdog:
    """Its thread starts with the first cell and lasts. It alone knows whom it watches: nobody else takes a lock."""

    def __init__(self) -> None:
        self._inbox: Final[queue.SimpleQueue[Watched | Callable[[], None]]] = queue.SimpleQueue()
        self._starting: Final = threading.Lock()
        self._has_thread = False
        self._watched: Final[set[Watched]] = set()
        self._idle: Final[set[Watched]] = set()
        self._last = 0.0
        self._last_idle = 0.0

    def watch(self, watched: Watched) -> None:
        """Closely, until its `check` says that there is nothing to do. Raises RuntimeError without a thread to
        spare.
        """
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
            try:
                self._turn()
            except BaseException:  # noqa: BLE001  no memory, say: without this thread nothing would be ended any more
                time.sleep(_INTERVAL_SECONDS)

    def _turn(self) -> None:
        self._take_in()
        now = time.monotonic()
        if self._watched:
            self._look(now)
        if self._idle and now - self._last_idle >= _IDLE_INTERVAL_SECONDS:
            self._last_idle = now
            for watched in list(self._idle):
                if not _ask(watched.check_idle, now):
                    self._idle.discard(watched)

    def _look(self, now: float) -> None:
        stopped = now - self._last if now - self._last > _STOPPED_SECONDS else 0.0
        self._last = now
        for watched in list(self._watched):
            if stopped:
                with suppress(BaseException):
                    watched.extend(stopped)
            if not _ask(watched.check, now):
                watched.is_watched = False
                if _ask(watched.check, now):  # somebody gave it work and saw that it was watched
                    watched.is_watched = True
                else:
                    self._watched.discard(watched)
                    if not self._idle:
                        self._last_idle = now
                    self._idle.add(watched)

    def _take_in(self) -> None:
        """Waits for the next look, or for somebody to look after."""
        while True:
            left = None
            if self._watched:
                left = self._last + _INTERVAL_SECONDS - time.monotonic()
            elif self._idle:
                left = self._last_idle + _IDLE_INTERVAL_SECONDS - time.monotonic()
            if left is not None and left <= 0:
                return
            with suppress(queue.Empty):
                item = self._inbox.get(timeout=left)
                if callable(item):
                    with suppress(BaseException):
                        item()
                else:
                    if not self._watched:
                        self._last = time.monotonic()
                    self._watched.add(item)
                    self._idle.discard(item)


def _ask(check: Callable[[float], bool], now: float) -> bool:
    """One that cannot be checked does not keep the others from it."""
    with suppress(BaseException):  # what an application's callback raises, say
        return check(now)
    return True


_watchdog = [Watchdog()]


def find_watchdog() -> Watchdog:
    """The one of this process."""
    return _watchdog[0]


def _forget() -> None:
    _watchdog[0] = Watchdog()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
