"""Copy-on-write copies: FICLONE on Linux, fclonefileat(2) on macOS. For the vault only.

Both share blocks with the source at the moment of the call; later writes to either are not seen by the other. What
is made has no name when it is handed out, and is behind a descriptor that cannot write.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import sys
from typing import Final

from ostiary._hazmat.reopen import reopen_read_only

_FICLONE: Final = 0x4004_9409  # _IOW(0x94, 9, int), as x86-64 and arm64 encode it
_CLONE_NOFOLLOW: Final = 0x0001
_CLONE_NOOWNERCOPY: Final = 0x0002
_PRIVATE: Final = 0o400


def open_clone(source: int, directory: int, platform: str = sys.platform) -> int:
    """A nameless clone of the file `source`, made on the file system of `directory`. The caller owns it."""
    if platform == "linux":
        return _open_clone_linux(source, directory)
    if platform == "darwin":
        return _open_clone_darwin(source, directory)
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _open_clone_linux(source: int, directory: int) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl  # noqa: PLC0415  # not on every system

    # O_EXCL: nobody can give it a name later.
    flags = os.O_TMPFILE | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    target = os.open(".", flags, _PRIVATE, dir_fd=directory)
    try:
        fcntl.ioctl(target, _FICLONE, source)
        return reopen_read_only(target)
    finally:
        os.close(target)


def _open_clone_darwin(source: int, directory: int) -> int:
    """In a directory that only we may enter, and without a name as soon as it is open."""
    folder = f".ostiary-{secrets.token_hex(8)}"
    os.mkdir(folder, 0o700, dir_fd=directory)
    try:
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            call_fclonefileat(source, inside, b"clone")
            try:
                return os.open("clone", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
            finally:
                os.unlink("clone", dir_fd=inside)
        finally:
            os.close(inside)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(folder, dir_fd=directory)


def call_fclonefileat(source: int, directory: int, name: bytes) -> None:
    """fclonefileat(2): the clone gets our owner and mode, whoever owns the source."""
    fclonefileat = ctypes.CDLL(None, use_errno=True).fclonefileat
    flags = ctypes.c_uint32(_CLONE_NOFOLLOW | _CLONE_NOOWNERCOPY)
    if fclonefileat(ctypes.c_int(source), ctypes.c_int(directory), ctypes.c_char_p(name), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
