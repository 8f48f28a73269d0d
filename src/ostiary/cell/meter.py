"""Reads what a process uses, of exactly that process and no other that gets its number."""

from __future__ import annotations

import os
from typing import Final, Protocol

from ostiary._hazmat.footprint import read_footprint
from ostiary.cell.births import Birth
from ostiary.core.values import dataclass

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STATE: Final = 0  # of the thread that it began with; a signal that stops one stops all
_UTIME: Final = 11  # of /proc/PID/stat after the name's closing bracket, counted from 0; proc_pid_stat(5)
_MOST_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """At one moment."""

    memory_bytes: int
    """In memory now, and of this process alone."""
    shared_bytes: int
    """In memory now, of files and of what others share."""
    writable_bytes: int
    """What the kernel counts against the limit: all that could be written to, in memory yet or not."""
    cpu_milliseconds: int
    """Since it was forked; the kernel counts in steps of ten."""
    is_stopped: bool = False
    """By a signal, and not by a debugger, which has its reasons. False where the system does not tell."""


class Meter(Protocol):
    """Of one process."""

    def read(self) -> Reading | None:
        """None where the process is gone."""

    def read_cpu(self) -> int | None:
        """Its processor time alone, in milliseconds: for each call."""


class LinuxMeter:
    """Two descriptors, `/proc/PID/statm` and `stat`, opened before the process could change anything.

    They belong to one process for ever: they fail once it is gone, whoever has its pid then.
    """

    def __init__(self, statm: int, stat: int) -> None:
        self._statm: Final = statm
        self._stat: Final = stat

    def read(self) -> Reading | None:
        try:
            sizes = os.pread(self._statm, _MOST_BYTES, 0).split()
            fields = self._read_stat()
        except OSError:
            return None
        if len(sizes) < 6 or len(fields) <= _UTIME + 1:
            return None
        resident, shared, writable = int(sizes[1]), int(sizes[2]), int(sizes[5])
        return Reading(
            memory_bytes=max(0, resident - shared) * _PAGE_BYTES,
            shared_bytes=shared * _PAGE_BYTES,
            writable_bytes=writable * _PAGE_BYTES,
            cpu_milliseconds=_sum_cpu(fields),
            is_stopped=fields[_STATE] == b"T",
        )

    def read_cpu(self) -> int | None:
        try:
            fields = self._read_stat()
        except OSError:
            return None
        return None if len(fields) <= _UTIME + 1 else _sum_cpu(fields)

    def _read_stat(self) -> list[bytes]:
        return os.pread(self._stat, _MOST_BYTES, 0).rpartition(b")")[2].split()


class DarwinMeter:
    """What macOS tells of a pid, as long as it is the same process."""

    def __init__(self, pid: int) -> None:
        self._pid: Final = pid
        self._first: Final = read_footprint(pid)

    def read(self) -> Reading | None:
        found = read_footprint(self._pid)
        if found is None or self._first is None or found.started != self._first.started:
            return None
        return Reading(found.memory_bytes, 0, found.memory_bytes, found.cpu_milliseconds)

    def read_cpu(self) -> int | None:
        reading = self.read()
        return None if reading is None else reading.cpu_milliseconds


def make_meter(birth: Birth) -> Meter:
    """The one that this system has."""
    if birth.statm is None or birth.stat is None:
        return DarwinMeter(birth.pid)
    return LinuxMeter(birth.statm, birth.stat)


def _sum_cpu(fields: list[bytes]) -> int:
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) * 1000 // _TICKS
