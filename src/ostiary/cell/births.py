"""A worker as its fork server tells of it: forked, locked, ended; and what it is watched and ended by."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Final

from ostiary._hazmat.pidfd import send_signal
from ostiary.core.values import dataclass
from ostiary.errors import OstiaryError


@dataclass(frozen=True, slots=True)
class ExitReport:
    """How a worker ended, from the process that waited for it. One of `signal` and `status` is set."""

    signal: int | None
    status: int | None
    cpu_milliseconds: int
    peak_bytes: int


class Birth:
    """Written by the fork server's pump, read by whoever starts the worker. All under `changed`."""

    def __init__(self, number: int, changed: threading.Condition, ask_to_kill: Callable[[int], None]) -> None:
        self.number: Final = number
        self.refusal: OstiaryError | None = None
        """Why there is no worker, or none behind a wall."""
        self.pid = 0
        self.is_locked = False
        self.process: int | None = None
        """None where the system has no descriptors for processes."""
        self.statm: int | None = None
        self.stat: int | None = None
        self.listener: int | None = None
        self.exit: ExitReport | None = None
        self.is_orphaned = False
        """The fork server ended; its workers end with it, and nobody tells how."""
        self.on_end: Callable[[], None] | None = None
        """Told once there is an exit report, or none to come."""
        self._changed: Final = changed
        self._ask_to_kill: Final = ask_to_kill
        self._is_closed = False

    @property
    def is_over(self) -> bool:
        return self.exit is not None or self.is_orphaned or self.refusal is not None

    def kill(self) -> None:
        """Ends the worker for certain, now. Any number of times."""
        with self._changed:
            if self.process is not None and not self._is_closed:
                send_signal(self.process, signal.SIGKILL)
                return
        self._ask_to_kill(self.number)

    def wait(self, is_there: Callable[[Birth], bool], seconds: float) -> bool:
        """Whether it came to that in time."""
        with self._changed:
            return self._changed.wait_for(lambda: is_there(self), seconds)

    def close(self) -> None:
        """Let go of every descriptor."""
        with self._changed:
            self.forget()

    def forget(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for descriptor in (self.process, self.statm, self.stat, self.listener):
            if descriptor is not None:
                os.close(descriptor)
