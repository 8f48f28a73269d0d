"""Holds a file by a read lease on it: nothing is copied, and the kernel makes whoever would write to it wait.

A lease sees everyone who opens the file. It does not see a program that had it open for writing before, and pinned
its pages for a transfer that has not ended. Therefore it is used only where nobody but the operator's own account
and root could have opened it for writing, and only on file systems where all ways to the bytes pass the lease.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from ostiary._hazmat.file_systems import BTRFS, EXT4, F2FS, XFS, read_file_system
from ostiary._hazmat.lease import give_back_lease, has_read_lease, take_read_lease
from ostiary._hazmat.reopen import reopen_read_only
from ostiary.core.tickets import FileEntry, SealMethod
from ostiary.vault.hold import GoOn
from ostiary.vault.in_children import register
from ostiary.vault.place import Place

# Not those over a network or in a user's program, where a write passes no lease here; not overlay, where the file
# below is another one; not tmpfs, whose pages can be kept pinned for ever.
_FILE_SYSTEMS: Final = frozenset({EXT4, XFS, BTRFS, F2FS})
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH  # an access list shows in the group's bit


class LeaseHold:
    """Two descriptors of one file: one has the lease, the other is for whoever reads."""

    def __init__(self, method: SealMethod, lease: int, descriptor: int) -> None:
        self.method: Final = method
        self._lease: int | None = lease
        self._descriptor: Final = descriptor
        register(self)

    @property
    def descriptor(self) -> int:
        if self._lease is None:
            raise ValueError("it is closed")
        return self._descriptor

    def has_held(self) -> bool:
        return self._lease is not None and has_read_lease(self._lease)

    def close(self) -> None:
        if self._lease is not None:
            with contextlib.suppress(OSError):  # closing it does the same, where no child has it
                give_back_lease(self._lease)
            self.forget()

    def forget(self) -> None:
        """Without giving it back: it is one lease, whoever has a descriptor of it."""
        if self._lease is not None:
            os.close(self._lease)
            os.close(self._descriptor)
            self._lease = None


def hold_by_lease(place: Place, entry: FileEntry, _go_on: GoOn) -> LeaseHold | None:
    """The file itself under a lease; None where a lease is not granted or would not say enough."""
    descriptor = place.open_file(entry)
    hold = None
    try:
        if _is_ours_alone(os.fstat(descriptor)):
            hold = lease_file(SealMethod.LEASE, descriptor)
        return hold
    finally:
        if hold is None:
            os.close(descriptor)


def lease_file(method: SealMethod, descriptor: int) -> LeaseHold | None:
    """A lease on the file behind `descriptor`, which the hold then owns."""
    try:
        if read_file_system(descriptor) not in _FILE_SYSTEMS:
            return None
        lease = reopen_read_only(descriptor)
    except OSError:
        return None
    try:
        take_read_lease(lease)
    except OSError:  # somebody has it open for writing, or it is not ours, or the file system knows no leases
        os.close(lease)
        return None
    return LeaseHold(method, lease, descriptor)


def _is_ours_alone(status: os.stat_result) -> bool:
    """Whether only the account that runs this, and root, may write to the file."""
    return status.st_uid in {os.geteuid(), 0} and not status.st_mode & _WRITABLE_BY_OTHERS
