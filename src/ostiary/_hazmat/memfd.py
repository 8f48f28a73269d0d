"""memfd_create(2) and its seals: memory that nobody can change any more, ourselves included.

For the vault, and for what the cell lends its workers. Python wraps the calls but not all of the seals.
`seal_memory_file` fails with EBUSY as long as anybody has the memory mapped for writing, or has pinned its pages:
the kernel looks for both.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

_MFD_NOEXEC_SEAL: Final = 0x0008  # Linux 6.3; some systems allow no other kind
_F_ADD_SEALS: Final = 1033
_F_GET_SEALS: Final = 1034
_F_SEAL_SEAL: Final = 0x0001
_F_SEAL_SHRINK: Final = 0x0002
_F_SEAL_GROW: Final = 0x0004
_F_SEAL_WRITE: Final = 0x0008
_ALL: Final = _F_SEAL_SEAL | _F_SEAL_SHRINK | _F_SEAL_GROW | _F_SEAL_WRITE


def create_memory_file(name: str) -> int:
    """An empty file in memory, for reading and writing. The caller owns it."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create(name, flags)


def seal_memory_file(descriptor: int) -> None:
    """From now on its bytes, its length and its seals stay as they are, for every process and for ever."""
    import fcntl  # noqa: PLC0415  # not on every system

    fcntl.fcntl(descriptor, _F_ADD_SEALS, _ALL)


def fix_size(descriptor: int) -> None:
    """From now on its length and its seals stay as they are; its bytes do not."""
    import fcntl  # noqa: PLC0415

    fcntl.fcntl(descriptor, _F_ADD_SEALS, _F_SEAL_SEAL | _F_SEAL_SHRINK | _F_SEAL_GROW)


def is_sealed(descriptor: int) -> bool:
    """Whether every seal that this file sets is set."""
    import fcntl  # noqa: PLC0415

    try:
        return fcntl.fcntl(descriptor, _F_GET_SEALS) & _ALL == _ALL
    except OSError:
        return False
