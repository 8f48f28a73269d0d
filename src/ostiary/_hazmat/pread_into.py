"""pread(2) straight into memory that somebody else owns. For the worker only.

Python's own way into a buffer at an offset, os.preadv, is the system call preadv2, which the wall does not let
through; os.pread makes bytes of its own first. Import this before the wall is up.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

# Releases the interpreter while it reads, as ctypes.PyDLL would not.
_pread: Final = ctypes.CDLL(None, use_errno=True).pread
_pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)
_pread.restype = ctypes.c_ssize_t


def pread_into(descriptor: int, view: memoryview, offset: int) -> int:
    """How many bytes were read to the beginning of `view`, a writable one of bytes; 0 at the end of the file."""
    if not len(view):
        return 0
    start = (ctypes.c_char * len(view)).from_buffer(view)
    while (count := _pread(descriptor, start, len(view), offset)) < 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return int(count)
