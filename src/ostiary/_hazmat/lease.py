"""F_SETLEASE: the kernel makes whoever opens a file for writing wait, and tells whether anybody tried.

For the vault only. A read lease is granted only while nobody has the file open for writing, a mapping for writing
included. Once somebody opens or truncates it, the lease counts as given back (and is, after at most
/proc/sys/fs/lease-break-time seconds): `has_read_lease` never becomes true again. Renaming and unlinking break no
lease, for they change no byte. What a lease does not see: pages of the file that a program pinned for an unfinished
transfer before it closed the file (docs/vault.md).
"""

from __future__ import annotations

import errno
import os
import signal
import sys


def take_read_lease(descriptor: int) -> None:
    """Raises OSError where it is not granted."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl  # noqa: PLC0415

    # The signal of a broken lease would end the process unless it is one that is ignored by default ...
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    # ... and from now on nobody is told: the lease itself is asked.
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, 0)


def has_read_lease(descriptor: int) -> bool:
    """Whether the lease is there and nobody wanted to write since it was taken."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415

    return fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK


def give_back_lease(descriptor: int) -> None:
    """At once, also where a forked process still has the descriptor."""
    if sys.platform != "linux":
        return
    import fcntl  # noqa: PLC0415

    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno != errno.EAGAIN:  # it was gone already
            raise
