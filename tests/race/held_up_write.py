"""A write into a file's pages that has begun and not ended, while the file is closed and no longer mapped.

`process_vm_writev` pins the pages that it writes to, then reads what it writes from memory that is not there yet; a
`userfaultfd` decides when it will be. In between, the kernel counts no writer of the file.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import select
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_PAGE = mmap.PAGESIZE
_USERFAULTFD = {"x86_64": 323, "aarch64": 282}
_UFFDIO_API = 0xC018AA3F
_UFFDIO_REGISTER = 0xC020AA00
_UFFDIO_COPY = 0xC028AA03
_MISSING = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


class _Range(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class HeldUpWrite:
    """One page of `path`, from its beginning, will become `X` when `let_go` is called. Raises OSError if it cannot."""

    def __init__(self, path: Path) -> None:
        self._fault = _open_userfaultfd()
        try:
            self._source = _map(-1, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            register = bytearray(struct.pack("=QQQQ", self._source, _PAGE, _MISSING, 0))
            fcntl.ioctl(self._fault, _UFFDIO_REGISTER, register)
            file = os.open(path, os.O_RDWR)
            target = _map(file, mmap.MAP_SHARED)
            self._written = 0
            self._writer = threading.Thread(target=self._write, args=(target,))
            self._writer.start()
            _wait_for_question(self._fault)
            _libc.munmap(target, _PAGE)
            os.close(file)
        except OSError:
            os.close(self._fault)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer.is_alive():
            self.let_go()
        _libc.munmap(self._source, _PAGE)
        os.close(self._fault)

    def let_go(self) -> None:
        page = ctypes.create_string_buffer(b"X" * _PAGE, _PAGE)
        copy = bytearray(struct.pack("=QQQQq", self._source, ctypes.addressof(page), _PAGE, 0, 0))
        fcntl.ioctl(self._fault, _UFFDIO_COPY, copy)
        self._writer.join()
        assert self._written == _PAGE

    def _write(self, target: int) -> None:
        ours, theirs = _Range(self._source, _PAGE), _Range(target, _PAGE)
        self._written = _libc.process_vm_writev(os.getpid(), ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)


def _open_userfaultfd() -> int:
    number = _USERFAULTFD.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fault: int = _libc.syscall(number, os.O_CLOEXEC | os.O_NONBLOCK)  # only so can it be polled
    if fault < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        fcntl.ioctl(fault, _UFFDIO_API, bytearray(struct.pack("=QQQ", 0xAA, 0, 0)))
    except OSError:
        os.close(fault)
        raise
    return fault


def _wait_for_question(fault: int) -> None:
    """Until the write asks for what it is to write; OSError where it will not."""
    asked = select.poll()
    asked.register(fault, select.POLLIN)
    if asked.poll(10_000) != [(fault, select.POLLIN)]:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def _map(descriptor: int, flags: int) -> int:
    address = _libc.mmap(None, _PAGE, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
    if address in {None, ctypes.c_void_p(-1).value}:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(address)
