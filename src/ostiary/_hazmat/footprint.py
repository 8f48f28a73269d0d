"""What a process uses, as macOS counts it: proc_pid_rusage(3). For the cell. Never run there, only its parsing.

The pid is not enough to know a process by: the time at which it began tells whether it is still the same one.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final, NamedTuple

_RUSAGE_INFO_V0: Final = 0
# libproc.h, struct rusage_info_v0: a UUID, then user, system, two kinds of wake-ups, page-ins, wired, resident,
# footprint, start and exit.
_LAYOUT: Final = struct.Struct("=16x10Q")
_USER, _SYSTEM, _FOOTPRINT, _START = 0, 1, 7, 8
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class Footprint(NamedTuple):
    """At one moment."""

    memory_bytes: int
    """What the system charges to it, on the device as well: the two share memory there."""
    cpu_milliseconds: int
    started: int
    """In units of the system's own clock."""


def parse_footprint(data: bytes, numerator: int, denominator: int) -> Footprint:
    """The two numbers make nanoseconds of a unit of the system's clock."""
    fields = _LAYOUT.unpack(data[: _LAYOUT.size])
    units = fields[_USER] + fields[_SYSTEM]
    milliseconds = units * numerator // denominator // _NANOSECONDS_PER_MILLISECOND
    return Footprint(fields[_FOOTPRINT], milliseconds, fields[_START])


def read_footprint(pid: int) -> Footprint | None:
    """None where there is no such process, or this is not macOS."""
    if os.uname().sysname != "Darwin":
        return None
    libc = ctypes.CDLL(None)
    buffer = ctypes.create_string_buffer(_LAYOUT.size)
    timebase = (ctypes.c_uint32 * 2)()
    if libc.proc_pid_rusage(pid, _RUSAGE_INFO_V0, buffer) != 0 or libc.mach_timebase_info(timebase) != 0:
        return None
    return parse_footprint(buffer.raw, timebase[0], timebase[1])
