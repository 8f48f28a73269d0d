"""Holds a file by a copy-on-write copy: no byte is copied, and writing to the source does not touch it.

The clone has no name, belongs to the account that runs this, and is read-only. Whoever may look into this process
by /proc could still open it for writing, so on Linux it is leased as well.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from ostiary._hazmat.clone import open_clone
from ostiary._hazmat.file_systems import BTRFS, XFS, read_file_system
from ostiary.core.tickets import FileEntry, SealMethod
from ostiary.vault.hold import GoOn, Hold
from ostiary.vault.hold_by_lease import lease_file
from ostiary.vault.in_children import register
from ostiary.vault.place import Place

# Not those over a network, where a server makes the clone and says so.
_FILE_SYSTEMS: Final = frozenset({XFS, BTRFS})


class CloneHold:
    """A file without a name, which nobody but us has."""

    method: Final = SealMethod.CLONE

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        register(self)

    @property
    def descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("it is closed")
        return self._descriptor

    def has_held(self) -> bool:
        return self._descriptor is not None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    forget = close


def hold_by_clone(place: Place, entry: FileEntry, _go_on: GoOn) -> Hold | None:
    """A clone of the file as it is now; None where the file system cannot, or lets us make no file beside it."""
    source = place.open_file(entry)
    try:
        if sys.platform == "linux" and read_file_system(source) not in _FILE_SYSTEMS:
            return None
        clone = open_clone(source, place.root)
    except OSError:  # no room, a read-only place, another file system: the next method may do
        return None
    finally:
        os.close(source)
    if sys.platform != "linux":
        return CloneHold(clone)
    hold = lease_file(SealMethod.CLONE, clone)
    if hold is None:
        os.close(clone)
    return hold
