"""Key files on disk: written once for their owner alone, read within bounds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ostiary.core.limits import MAX_PEM_BYTES
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import KEY_EXISTS, KEY_UNUSABLE, OUTPUT_UNWRITABLE, Misuse, OutputUnwritable
from ostiary.record.durable import write_new_file


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The bytes, and whether somebody else could have read them."""

    data: bytes
    is_private: bool


def write_key_pair(private: Path, public: Path, private_pem: bytes, public_pem: bytes) -> None:
    """Both files, the private one with mode 0600; neither is ever overwritten."""
    check_free(private, public)
    write_once(private, private_pem, 0o600)
    write_once(public, public_pem, 0o644)


def check_free(*paths: Path) -> None:
    """Refuses before any work is done where one of the names is taken."""
    for path in paths:
        if os.path.lexists(path):
            raise Misuse(KEY_EXISTS, f"{quote_untrusted(path.name)} exists already")


def write_once(path: Path, data: bytes, mode: int) -> None:
    """The whole file under its name, or nothing; refuses where the name is taken."""
    try:
        write_new_file(path, data, mode=mode)
    except FileExistsError as error:
        raise Misuse(KEY_EXISTS, f"{quote_untrusted(path.name)} exists already") from error
    except OSError as error:
        reason = explain_os_error(error)
        message = f"{quote_untrusted(path.name)} cannot be written: {reason}"
        raise OutputUnwritable(OUTPUT_UNWRITABLE, message) from error


def read_key_file(path: Path, most_bytes: int = MAX_PEM_BYTES) -> KeyFile:
    """A file of keys or certificates that an operator named; a link is followed, as he may keep them elsewhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise Misuse(KEY_UNUSABLE, f"{quote_untrusted(path.name)} is not a regular file")
            data = os.read(descriptor, most_bytes + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = explain_os_error(error)
        raise Misuse(KEY_UNUSABLE, f"{quote_untrusted(path.name)} cannot be read: {reason}") from error
    if len(data) > most_bytes:
        raise Misuse(KEY_UNUSABLE, f"{quote_untrusted(path.name)} has more than {int(most_bytes)} bytes")
    return KeyFile(data, not found.st_mode & 0o077)
