"""The file in which usage is counted: lines are added at its end, and now and then it is written anew, whole.

A line that was added is there after `kill -9`, as the operating system has it; after a loss of power the lines of
the last seconds may be missing (`sync`). One process at a time may have the file open.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from ostiary.admission.usage_lines import OtherSchema, UsageRead, read_usage_lines
from ostiary.core.limits import MAX_USAGE_LINE_BYTES
from ostiary.core.text import explain_os_error
from ostiary.core.values import dataclass
from ostiary.errors import QUOTA_UNUSABLE, QUOTA_UNWRITABLE, SERVER_STATE_IN_USE, Misuse, QuotaFailed, ServerFailed
from ostiary.record.durable import sync_directory

USAGE_FILE: Final = "usage.journal"
_LOCK_FILE: Final = "usage.lock"
_SET_ASIDE: Final = "usage.journal.damaged"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Damage:
    """What was wrong with the file."""

    lines: int
    """That could not be read."""
    kept: str
    """The name of the copy that was kept, in the state directory."""


class UsageFile:
    """Open to be added to. Whoever holds it sees to it that one thread at a time adds."""

    def __init__(self, state: Path, lock: int) -> None:
        """Use `open_usage_file`."""
        self._path: Final = state / USAGE_FILE
        self._lock: Final = lock
        self._descriptor: int | None = None
        self._is_torn = False
        self.size = 0
        """In bytes: all that was added wholly."""
        self.added = 0
        """How many of them since it was written anew."""

    def add(self, lines: bytes) -> None:
        """There or not at all. Raises OSError."""
        if self._descriptor is None or self._is_torn:
            raise OSError("it has to be written anew")
        written = 0
        try:
            written = os.write(self._descriptor, lines)
        finally:
            if 0 < written < len(lines):
                self._is_torn = True
                with suppress(OSError):
                    os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
                    self._is_torn = False
        if written != len(lines):
            raise OSError("the disk is full")
        self.size += written
        self.added += written

    def sync(self) -> None:
        """What was added is there after a loss of power, too. Raises OSError."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def is_in_place(self) -> bool:
        """Whether it can be added to, and is what others find under its name."""
        if self._descriptor is None or self._is_torn:
            return False
        try:
            found, own = self._path.lstat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return (found.st_dev, found.st_ino, found.st_size) == (own.st_dev, own.st_ino, self.size)

    def write_anew(
        self, lines: Iterable[bytes], since: int, adding: Callable[[], AbstractContextManager[object]]
    ) -> None:
        """With these lines in place of all up to `since`, and those behind. Raises OSError; then it is as before.

        `adding`: what keeps others from adding; taken for the last step only.
        """
        prepared = self._path.with_name(f".{self._path.name}.new")
        with suppress(OSError):
            prepared.unlink()
        descriptor = os.open(prepared, _NEW, 0o600)
        try:
            for block in _join(lines):
                _write_all(descriptor, block)
            os.fsync(descriptor)
            with adding():
                before = self._descriptor
                if before is not None:
                    for block in _read_between(before, since, self.size):
                        _write_all(descriptor, block)
                size = os.fstat(descriptor).st_size
                os.replace(prepared, self._path)  # noqa: PTH105
                self._descriptor, self._is_torn, self.size, self.added = descriptor, False, size, 0
                descriptor = -1
            if before is not None:
                os.close(before)
            sync_directory(self._path.parent)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
                prepared.unlink(missing_ok=True)

    def close(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        os.close(self._lock)


def open_usage_file(state: Path) -> tuple[UsageFile, UsageRead, Damage | None]:
    """What is counted so far, and where something was wrong with it, what. It can be added to after `write_anew`.

    Raises Misuse, ServerFailed and QuotaFailed.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise QuotaFailed(QUOTA_UNWRITABLE, f"{_LOCK_FILE}: {explain_os_error(error)}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServerFailed(SERVER_STATE_IN_USE, "another server counts what is used in it") from error
        read = read_usage(state)
        damage = Damage(read.damaged, _set_aside(state)) if read.damaged else None
    except BaseException:
        os.close(lock)
        raise
    return UsageFile(state, lock), read, damage


def read_usage(state: Path) -> UsageRead:
    """As far as it is counted now; nothing where there is no such file. Raises Misuse(QUOTA_UNUSABLE)."""
    try:
        descriptor = os.open(state / USAGE_FILE, _READ)
    except FileNotFoundError:
        return read_usage_lines(())
    except OSError as error:
        raise _unusable(f"cannot be opened: {explain_os_error(error)}") from error
    try:
        _check_owner(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        try:
            return read_usage_lines(iter(lambda: file.readline(MAX_USAGE_LINE_BYTES + 1), b""))
        except OtherSchema as error:
            raise _unusable("was written by another version") from error
        except OSError as error:
            raise _unusable(f"cannot be read: {explain_os_error(error)}") from error


def _check_owner(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _unusable("is not a regular file")
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
        raise _unusable("can be written by others")


def _set_aside(state: Path) -> str:
    """Under a name that no other has yet; the file itself stays until it is written anew."""
    for number in range(1, 1000):
        kept = f"{_SET_ASIDE}-{number}"
        try:
            os.link(state / USAGE_FILE, state / kept, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise QuotaFailed(QUOTA_UNWRITABLE, f"{kept}: {explain_os_error(error)}") from error
        return kept
    raise _unusable("was damaged a thousand times")


def _join(lines: Iterable[bytes]) -> Iterator[bytes]:
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)


def _read_between(descriptor: int, offset: int, end: int) -> Iterator[bytes]:
    while offset < end:
        block = os.pread(descriptor, min(_BLOCK, end - offset), offset)
        if not block:
            raise OSError("the file is shorter than it was")
        offset += len(block)
        yield block


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)
        if not written:
            raise OSError("the disk is full")
        rest = rest[written:]


def _unusable(what: str) -> Misuse:
    return Misuse(QUOTA_UNUSABLE, f"{USAGE_FILE} {what}")
