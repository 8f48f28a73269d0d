"""System calls by name, without any library between: what hostile code would do."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

from ostiary.cell.syscalls import find_machine

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
MACHINE: Final = os.uname().machine
NUMBERS: Final = find_machine(MACHINE).numbers
AT_FDCWD: Final = -100


def raw(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """The kernel's answer; OSError where it says no."""
    words = [
        ctypes.c_ulong(argument & ((1 << 64) - 1))
        if isinstance(argument, int)
        else ctypes.c_char_p(argument)
        if isinstance(argument, bytes) or argument is None
        else ctypes.byref(argument)
        for argument in arguments
    ]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    return raw(NUMBERS[name], *arguments)


def read_all(descriptor: int, count: int = 4096) -> bytes:
    """Reads with read(2) itself."""
    buffer = ctypes.create_string_buffer(count)
    got = call("read", descriptor, buffer, count)
    return buffer.raw[:got]


def path(world_directory: str, name: str) -> bytes:
    return f"{world_directory}/{name}".encode()


def pack(layout: str, *values: int | bytes) -> ctypes.Array[ctypes.c_char]:
    """A structure in memory, as the kernel wants it."""
    return ctypes.create_string_buffer(struct.pack(layout, *values), struct.calcsize(layout))


def peek(address: int, count: int) -> bytes:
    return ctypes.string_at(address, count)
