"""Files that decide who signs and what runs: only their owner may have touched them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ostiary.core.limits import MAX_KEY_FILE_BYTES
from ostiary.errors import Code, RecordDamaged


def read_private_file(path: Path, code: Code) -> bytes:
    """The bytes; refuses, under this code, a link, somebody else's file and one that others can read or write."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise RecordDamaged(code, f"{path.name} is not a regular file")
            if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o077:
                raise RecordDamaged(code, f"{path.name} can be read or written by others")
            content = os.read(descriptor, MAX_KEY_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RecordDamaged(code, f"{path.name} cannot be read") from error
    if len(content) > MAX_KEY_FILE_BYTES:
        raise RecordDamaged(code, f"{path.name} is larger than any such file")
    return content
