"""The other way round: another process of the same user looks into the worker, which holds a model and its requests.

Inside, the attempt only waits; `REACH` is what somebody outside does meanwhile, with the process and an address in it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from escape.attempt import NOT_DUMPABLE, World, attempt
from escape.calls import call, pack

Reach = Callable[[int, int, int], bytes]
"""Process, address, how many bytes."""


def _wait(world: World) -> bytes:
    call("read", world.kept, ctypes.create_string_buffer(1), 1)
    return b""


@attempt(NOT_DUMPABLE, of="user")
def be_read_by_another_process(world: World) -> bytes:
    return _wait(world)


@attempt(NOT_DUMPABLE, of="user")
def be_read_through_proc(world: World) -> bytes:
    return _wait(world)


@attempt(NOT_DUMPABLE, of="user")
def be_traced_by_another_process(world: World) -> bytes:
    return _wait(world)


@attempt(NOT_DUMPABLE, of="user")
def have_its_channel_taken(world: World) -> bytes:
    return _wait(world)


def _read(process: int, address: int, count: int) -> bytes:
    buffer = ctypes.create_string_buffer(count)
    mine = pack("QQ", ctypes.addressof(buffer), count)
    call("process_vm_readv", process, mine, 1, pack("QQ", address, count), 1, 0)
    return buffer.raw


def _read_through_proc(process: int, address: int, count: int) -> bytes:
    descriptor = os.open(f"/proc/{process}/mem", os.O_RDONLY)
    try:
        return os.pread(descriptor, count, address)
    finally:
        os.close(descriptor)


def _trace(process: int, address: int, count: int) -> bytes:
    call("ptrace", 0x4206, process, 0, 0)  # PTRACE_SEIZE
    return b"done"


def _take_channel(process: int, address: int, count: int) -> bytes:
    held = call("pidfd_open", process, 0)
    try:
        for number in range(3, 64):
            try:
                os.close(call("pidfd_getfd", held, number, 0))
            except OSError as error:
                if error.errno != 9:  # no such descriptor there
                    raise
                continue
            return b"done"
    finally:
        os.close(held)
    return b""


REACH: Final[Mapping[str, Reach]] = MappingProxyType(
    {
        "be_read_by_another_process": _read,
        "be_read_through_proc": _read_through_proc,
        "be_traced_by_another_process": _trace,
        "have_its_channel_taken": _take_channel,
    }
)
