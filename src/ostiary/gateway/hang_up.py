"""SIGHUP has two meanings: read the settings anew, and: the terminal that this runs in is gone."""

from __future__ import annotations

import os
from collections.abc import Callable


def has_terminal() -> bool:
    """Whether this process belongs to one."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def make_on_hang_up(reread: Callable[[], None], stop: Callable[[], None]) -> Callable[[], None]:
    """What SIGHUP does. A server that was started by hand ends with its terminal, as it always did."""
    began_in_terminal = has_terminal()

    def on_hang_up() -> None:
        if began_in_terminal and not has_terminal():
            stop()
        else:
            reread()

    return on_hang_up
