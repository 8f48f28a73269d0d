"""Holds a file by a copy in memory that the kernel lets nobody change. Works wherever Linux is.

The digest is computed after the seals are set, over the sealed memory itself: whoever reached the memory before
(by /proc) has changed it before it was compared.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ostiary._hazmat.memfd import create_memory_file, is_sealed, seal_memory_file
from ostiary._hazmat.reopen import reopen_read_only
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, SealMethod
from ostiary.errors import VAULT_NO_MEMORY, VaultFailed
from ostiary.vault.hold import GoOn
from ostiary.vault.in_children import register
from ostiary.vault.memory_left import read_memory_left
from ostiary.vault.place import Place, refuse_changed, tell_unreadable

_PIECE_BYTES: Final = 4 << 20
_MARGIN_BYTES: Final = 64 << 20
_NO_SUCH_MEMORY: Final = {errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL}
"""An old kernel, or a sandbox around us that does not let the call through."""
_NO_ROOM: Final = {errno.ENOMEM, errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


class MemoryHold:
    """Sealed memory."""

    method: Final = SealMethod.MEMORY

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        register(self)

    @property
    def descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("it is closed")
        return self._descriptor

    def has_held(self) -> bool:
        return self._descriptor is not None and is_sealed(self._descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    forget = close


def hold_in_memory(place: Place, entry: FileEntry, go_on: GoOn) -> MemoryHold | None:
    """A sealed copy of the file as it is now; None where the system has no such memory."""
    source = place.open_file(entry)
    try:
        memory = _create()
        if memory is None:
            return None
        try:
            with _ROOM.promise(entry) as use:
                _copy(source, memory, entry, go_on, use)
            _seal(memory, entry)
            return MemoryHold(reopen_read_only(memory))
        finally:
            os.close(memory)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_memory(entry) from error
        raise tell_unreadable(entry, error) from error
    finally:
        os.close(source)


def can_hold_in_memory() -> bool:
    """Whether the kernel keeps a byte from us ourselves, tried with one."""
    try:
        memory = _create()
        if memory is None:
            return False
        try:
            os.write(memory, b"x")
            seal_memory_file(memory)
            os.close(reopen_read_only(memory))
            return is_sealed(memory) and not _can_write(memory)
        finally:
            os.close(memory)
    except OSError:
        return False


def _can_write(memory: int) -> bool:
    try:
        os.pwrite(memory, b"y", 0)
    except PermissionError:
        return False
    return True


def _create() -> int | None:
    try:
        return create_memory_file("ostiary-weights")
    except OSError as error:
        if error.errno in _NO_SUCH_MEMORY:
            return None
        raise


class _Room:
    """What several threads are about to take at once must be there for all of them."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._promised = 0

    @contextmanager
    def promise(self, entry: FileEntry) -> Iterator[Callable[[int], None]]:
        """Room for a copy, or VaultFailed: else the kernel would end a process, perhaps this one."""
        used = 0

        def use(count: int) -> None:
            """So much of it was taken, and no longer counts as left."""
            nonlocal used
            with self._lock:
                used += count
                self._promised -= count

        with self._lock:
            left = read_memory_left()
            if left is not None and left - self._promised < entry.size + _MARGIN_BYTES:
                raise _no_memory(entry)
            self._promised += entry.size
        try:
            yield use
        finally:
            use(entry.size - used)


_ROOM: Final = _Room()


def _copy(source: int, memory: int, entry: FileEntry, go_on: GoOn, use: Callable[[int], None]) -> None:
    done = 0
    while done < entry.size:
        go_on()
        # Within the kernel: no third copy. Where the file system offers no such way (EINVAL), by hand.
        try:
            count = os.sendfile(memory, source, done, min(_PIECE_BYTES, entry.size - done))
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOSYS}:
                raise
            count = os.write(memory, os.pread(source, min(_PIECE_BYTES, entry.size - done), done))
        if count == 0:
            raise refuse_changed(entry, "it became shorter while it was read")
        done += count
        use(count)


def _seal(memory: int, entry: FileEntry) -> None:
    try:
        seal_memory_file(memory)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise refuse_changed(entry, "another program has its hands on the memory it is kept in") from error


def _no_memory(entry: FileEntry) -> VaultFailed:
    sentence = f"{quote_untrusted(entry.path)} needs {entry.size:,} bytes of memory"
    return VaultFailed(VAULT_NO_MEMORY, sentence)
