"""System calls by number, and prctl(2), with errors raised. For the other files of the wall only.

Python wraps neither. Nothing here allocates executable memory or starts a thread, so it may be
used between a fork and the wall.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True)

if sys.platform == "linux":
    _libc.syscall.restype = ctypes.c_long
    _libc.prctl.restype = ctypes.c_int
    _libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)

Pointer = ctypes.Array[ctypes.c_char] | ctypes.Structure | bytes | None


def call(number: int, *arguments: int | Pointer) -> int:
    """One system call; raises OSError where the kernel says no."""
    result = int(_libc.syscall(ctypes.c_long(number), *(_as_word(argument) for argument in arguments)))
    if result < 0:
        raise _last_error()
    return result


def prctl(option: int, first: int = 0, second: int = 0, third: int = 0, fourth: int = 0) -> int:
    result = int(_libc.prctl(option, first, second, third, fourth))
    if result < 0:
        raise _last_error()
    return result


def address_of(structure: ctypes.Structure | ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(structure)


def _as_word(argument: int | Pointer) -> object:
    if isinstance(argument, int):
        return ctypes.c_ulong(argument & ((1 << 64) - 1))
    if argument is None or isinstance(argument, bytes):
        return ctypes.c_char_p(argument)
    return ctypes.byref(argument)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
