"""seccomp filters: the kernel asks a program of ours before every system call of this process, for good.

For the cell (which asks what the kernel can do) and the worker (which locks itself). There is no wrapper anywhere.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Final

from ostiary._hazmat import kernel

_SYS_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}

_SET_MODE_FILTER: Final = 1
_GET_ACTION_AVAILABLE: Final = 2
_GET_NOTIFICATION_SIZES: Final = 3

_FILTER_ALL_THREADS: Final = 1 << 0
_FILTER_NEW_LISTENER: Final = 1 << 3
_FILTER_ALL_THREADS_OR_ESRCH: Final = 1 << 4

_RETURN_KILL_PROCESS: Final = 0x8000_0000
_RETURN_LISTENER: Final = 0x7FC0_0000
INSTRUCTION_BYTES: Final = 8


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def has_filters() -> bool:
    """Whether filters may end the whole process."""
    return _has_action(_RETURN_KILL_PROCESS)


def has_listener() -> bool:
    """Whether filters may ask another process."""
    return _has_action(_RETURN_LISTENER)


def _has_action(action: int) -> bool:
    if sys.platform != "linux" or os.uname().machine not in _SYS_SECCOMP:
        return False
    try:
        kernel.call(_SYS_SECCOMP[os.uname().machine], _GET_ACTION_AVAILABLE, 0, action.to_bytes(4, sys.byteorder))
    except OSError:
        return False
    return True


def install(program: bytes, machine: str) -> None:
    """Put a filter on every thread of this process."""
    _install(program, machine, _FILTER_ALL_THREADS)


def install_with_listener(program: bytes, machine: str) -> int | None:
    """The same; returns the descriptor on which denied calls are told. None where somebody outside has one already,
    and then no filter is put up: one process has one listener.
    """
    try:
        return _install(program, machine, _FILTER_ALL_THREADS | _FILTER_ALL_THREADS_OR_ESRCH | _FILTER_NEW_LISTENER)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return None
        raise


def _install(program: bytes, machine: str, flags: int) -> int:
    whole = _Program(len(program) // INSTRUCTION_BYTES, program)
    return kernel.call(_SYS_SECCOMP[machine], _SET_MODE_FILTER, flags, whole)
