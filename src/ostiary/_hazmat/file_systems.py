"""fstatfs(2): which file system a file lies on. For the vault only; Python's fstatvfs does not tell the type."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Final

# linux/magic.h
EXT4: Final = 0xEF53  # ext2 and ext3 as well
XFS: Final = 0x58465342
BTRFS: Final = 0x9123683E
F2FS: Final = 0xF2F52010


def read_file_system(descriptor: int) -> int:
    """The magic number of the file system, as the kernel reports it. Linux on 64 bits only."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    status = (ctypes.c_long * 64)()  # struct statfs has 15 of them, f_type first
    if ctypes.CDLL(None, use_errno=True).fstatfs(ctypes.c_int(descriptor), status) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return status[0] & 0xFFFF_FFFF
