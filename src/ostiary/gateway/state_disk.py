"""Whether there is room on the disk of the state directory. Without it nothing is answered, so nobody is ready."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LEAST_BYTES: Final = 64 << 10
"""What one request may add to the record and to what is counted, several times over."""


class StateDisk:
    """Looked at now and then, in a thread. Writes nothing."""

    def __init__(self, place: Path, tell_full: Callable[[bool], None], on_note: Callable[[str], None]) -> None:
        """`tell_full` and `on_note` hear when that changes."""
        self._place: Final = place
        self._tell_full: Final = tell_full
        self._on_note: Final = on_note
        self._is_full = False

    def look(self) -> None:
        is_full = not has_room(self._place)
        if is_full == self._is_full:
            return
        self._is_full = is_full
        self._tell_full(is_full)
        if is_full:
            self._on_note("the disk of the state directory is full, or cannot be written: nothing is answered")
        else:
            self._on_note("there is room on the disk of the state directory again")


def has_room(place: Path) -> bool:
    """What the file system says; where it says nothing, whoever writes will see."""
    try:
        found = os.statvfs(place)
    except OSError:
        return True
    if not found.f_blocks:
        return True
    free = found.f_bavail if os.geteuid() else found.f_bfree  # some is kept for root
    return not found.f_flag & os.ST_RDONLY and free * found.f_frsize >= _LEAST_BYTES
