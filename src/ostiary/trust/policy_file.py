"""The policy file on disk: read within bounds, written whole or not at all, by one program at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ostiary.core.limits import MAX_POLICY_BYTES
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import (
    OUTPUT_UNWRITABLE,
    TRUST_MALFORMED,
    TRUST_TOO_LARGE,
    USAGE,
    Misuse,
    OutputUnwritable,
    TrustRefused,
)
from ostiary.record.durable import sync_directory, write_new_file

POLICY_FILE: Final = "policy.toml"
_MODE: Final = 0o644


def read_policy_file(path: Path) -> bytes:
    """The bytes. A file that everybody may write says what everybody wants, so it is refused."""
    with _open(path) as descriptor:
        return _read(path, descriptor)


def create_policy_file(path: Path, data: bytes) -> None:
    """Refuses where there is something already."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_new_file(path, data, mode=_MODE)
    except FileExistsError as error:
        raise Misuse(
            USAGE, f"{quote_untrusted(path.name)} exists already", hint="`ostiary trust add` adds to it."
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def edit_policy_file(path: Path, edit: Callable[[bytes], bytes], announce: Callable[[bytes], None]) -> bytes:
    """Replaces the file by what `edit` makes of it; `announce` records it, before anything has changed.

    A link is followed, so that a policy may lie elsewhere; its mode stays.
    """
    real = path.resolve()
    with _open(real, is_edited=True) as descriptor:
        data = edit(_read(real, descriptor))
        prepared = real.with_name(f".{real.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        try:
            fresh = os.open(prepared, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(fresh, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fchmod(file.fileno(), mode)
                    os.fsync(file.fileno())
                announce(data)
                prepared.replace(real)
            finally:
                prepared.unlink(missing_ok=True)
            sync_directory(real.parent)
        except OSError as error:
            raise _unwritable(path, error) from error
    return data


@contextmanager
def _open(path: Path, *, is_edited: bool = False) -> Iterator[int]:
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise Misuse(
                USAGE,
                f"there is no policy {quote_untrusted(path.name)}",
                hint="Make one with `ostiary trust init`, or name it with --policy FILE.",
            ) from error
        except OSError as error:
            raise Misuse(USAGE, f"{quote_untrusted(path.name)} cannot be opened") from error
        try:
            if is_edited:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not _is_still(path, descriptor):  # another editor replaced it while we waited
                    continue
            yield descriptor
            return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(path: Path, descriptor: int) -> bytes:
    found = os.fstat(descriptor)
    name = quote_untrusted(path.name)
    if not stat.S_ISREG(found.st_mode):
        raise Misuse(USAGE, f"{name} is not a regular file")
    if found.st_mode & stat.S_IWOTH:
        raise TrustRefused(
            TRUST_MALFORMED, f"{name} can be written by everybody", hint="Take that away: chmod o-w on the policy."
        )
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise Misuse(USAGE, f"{name} cannot be read") from error
    if len(data) > MAX_POLICY_BYTES:
        raise TrustRefused(TRUST_TOO_LARGE, f"{name} has more than {int(MAX_POLICY_BYTES)} bytes")
    return data


def _unwritable(path: Path, error: OSError) -> OutputUnwritable:
    reason = explain_os_error(error)
    hint = "Make room on the disk, then try again." if error.errno == errno.ENOSPC else None
    return OutputUnwritable(
        OUTPUT_UNWRITABLE, f"{quote_untrusted(path.name)} cannot be written: {reason}", hint=hint
    )
