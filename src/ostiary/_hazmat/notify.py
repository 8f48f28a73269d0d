"""Denied calls as the kernel tells them: what a process behind a filter asked for, before it gets an answer.

For the cell. The kernel waits with the call until somebody answers. The cell ends the process instead, or says that
there is no memory; it never lets a call through.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
from typing import Final, NamedTuple


class _Data(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_int),
        ("architecture", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    )


class _Notification(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint64), ("pid", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("data", _Data))


class _Answer(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint64),
        ("value", ctypes.c_int64),
        ("error", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    )


_IOCTL_RECEIVE: Final = 0xC050_2100  # _IOWR('!', 0, struct seccomp_notif), 80 bytes on every architecture
_IOCTL_SEND: Final = 0xC018_2101  # _IOWR('!', 1, struct seccomp_notif_resp), 24 bytes


class DeniedCall(NamedTuple):
    """One call that the wall did not let through. The arguments are numbers; nothing behind them is read."""

    id: int
    """By which it is answered."""
    thread: int
    """Which thread asked, as a process id in the reader's own namespace."""
    number: int
    architecture: int
    """AUDIT_ARCH_*"""
    arguments: tuple[int, ...]


def receive_denied_call(listener: int) -> DeniedCall | None:
    """The next one. Blocks where there is none: poll the descriptor for reading first.

    None where the process ended before it could be read, or was interrupted and will ask again.
    """
    buffer = _Notification()
    try:
        fcntl.ioctl(listener, _IOCTL_RECEIVE, buffer)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EINTR}:
            return None
        raise
    data = buffer.data
    return DeniedCall(buffer.id, buffer.pid, data.number, data.architecture, tuple(data.arguments))


def answer_no_memory(listener: int, denied: DeniedCall) -> None:
    """The call fails with ENOMEM, as it would have without us. Nothing where the process ended meanwhile."""
    answer = _Answer(denied.id, 0, -errno.ENOMEM, 0)
    with contextlib.suppress(OSError):
        fcntl.ioctl(listener, _IOCTL_SEND, answer)
