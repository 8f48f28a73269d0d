"""SIGHUP has two meanings: read the settings anew, and: the terminal that this runs in is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import FrameType


def has_terminal() -> bool:
    """Whether this process belongs to one."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class HangUp:
    """What SIGHUP does, from the beginning of the program on: by itself it ends whoever says nothing of it.

    A server that was started by hand ends with its terminal, as it always did; but not one that was started to
    outlive it (by `nohup`, which has the signal ignored). What comes while models are being loaded waits.
    """

    def __init__(self) -> None:
        """In the main thread."""
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._ends_with_terminal: Final = not is_ignored and has_terminal()
        self._is_waiting = False

    @contextmanager
    def heard_early(self) -> Iterator[None]:
        """Before there is anybody to read settings. Ends the program as SIGTERM does where its terminal is gone."""

        def hear(_number: int, _frame: FrameType | None) -> None:
            if self._is_terminal_gone():
                signal.raise_signal(signal.SIGTERM)
            else:
                self._is_waiting = True

        before = signal.signal(signal.SIGHUP, hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    @contextmanager
    def heard_by(self, loop: AbstractEventLoop, reread: Callable[[], None]) -> Iterator[None]:
        """While the loop runs. After it the program is about to end, and nothing is to be read any more."""

        def hear() -> None:
            if self._is_terminal_gone():
                signal.raise_signal(signal.SIGTERM)
            else:
                reread()

        loop.add_signal_handler(signal.SIGHUP, hear)
        if self._is_waiting:
            reread()
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _is_terminal_gone(self) -> bool:
        return self._ends_with_terminal and not has_terminal()
