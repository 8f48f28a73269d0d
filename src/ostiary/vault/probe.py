"""Which ways of holding a model's files work where it lies, found by trying: nothing is changed, nothing stays."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ostiary.core.tickets import FileEntry, FileKind, SealMethod
from ostiary.core.values import dataclass
from ostiary.errors import OstiaryError
from ostiary.vault.choose import take_hold
from ostiary.vault.hold_in_memory import can_hold_in_memory
from ostiary.vault.place import Place

# One directory is looked through, as models are laid out flat; no more of it than this.
_MOST_NAMES: Final = 1_000

NEEDS: Final = MappingProxyType(
    {
        SealMethod.LEASE: "ext4, XFS, Btrfs or F2FS, and only you or root may write",
        SealMethod.CLONE: "XFS or Btrfs, on macOS APFS, and room beside the model",
        SealMethod.MEMORY: "Linux, and memory for the weights once more while loading",
    }
)
"""What each method asks of the place."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Whether files at one place can be held by one method."""

    method: SealMethod
    works: bool


def probe_methods(path: Path) -> tuple[Holding, ...]:
    """For the largest file at `path`, or `path` itself; empty where there is no file to try it with.

    Raises OSError where the place cannot be looked at.
    """
    entry = _find_largest(path)
    if entry is None:
        return ()
    place = Place(path)
    try:
        found = [_try(place, entry, method) for method in (SealMethod.LEASE, SealMethod.CLONE)]
    finally:
        place.close()
    return (*found, Holding(SealMethod.MEMORY, can_hold_in_memory()))


def _try(place: Place, entry: FileEntry, method: SealMethod) -> Holding:
    try:
        take_hold((method,), place, entry).close()
    except OstiaryError:
        return Holding(method, works=False)
    return Holding(method, works=True)


def _find_largest(path: Path) -> FileEntry | None:
    if path.is_file():
        return _describe(path.name, path.stat().st_size)
    sizes = {}
    with os.scandir(path) as entries:
        for entry, _ in zip(entries, range(_MOST_NAMES), strict=False):
            with contextlib.suppress(OSError):  # a link to nowhere
                found = entry.stat()
                if stat.S_ISREG(found.st_mode):
                    sizes[entry.name] = found.st_size
    if not sizes:
        return None
    name = max(sizes, key=lambda name: (sizes[name], name))
    return _describe(name, sizes[name])


def _describe(name: str, size: int) -> FileEntry:
    return FileEntry(name, size, "", FileKind.UNKNOWN)
