"""openat2(2): open below a directory, and nothing else, in one step of the kernel's.

For intake and the vault. Python has no wrapper; O_NOFOLLOW guards the last component alone, so without openat2 the
descent is done one component at a time (`open_beneath` chooses).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from typing import Final

_SYS_OPENAT2: Final = 437  # the same number on every Linux architecture
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _openat2(directory: int, path: bytes, flags: int) -> int:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    how = _OpenHow(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS)
    descriptor = int(
        syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(directory),
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


@cache
def has_openat2() -> bool:
    """Whether the kernel knows the call and no sandbox forbids it."""
    if sys.platform != "linux":
        return False
    try:
        directory = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(_openat2(directory, b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        os.close(directory)
    return True


def open_beneath(directory: int, path: str, flags: int, *, use_openat2: bool | None = None) -> int:
    """Open `path` below `directory` without following any link. The caller owns the descriptor."""
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    if has_openat2() if use_openat2 is None else use_openat2:
        return _openat2(directory, os.fsencode(path), flags)
    return _descend(directory, path, flags)


def _descend(directory: int, path: str, flags: int) -> int:
    *parents, name = path.split("/")
    if any(part in {"", "..", "."} for part in (*parents, name)):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    current = directory
    try:
        for part in parents:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=current)
            if current != directory:
                os.close(current)
            current = below
        return os.open(name, flags, dir_fd=current)
    finally:
        if current != directory:
            os.close(current)
