"""One server for a state directory: what it counts and keeps there is its own while it runs.

Commands may use the directory meanwhile: the record, the keys and the quarantine are made for that.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from ostiary.core.text import explain_os_error
from ostiary.errors import OUTPUT_UNWRITABLE, SERVER_STATE_IN_USE, OutputUnwritable, ServerFailed
from ostiary.record.place import prepare_state_directory

LOCK_FILE: Final = "server.lock"


@contextmanager
def locked_state(state: Path) -> Iterator[None]:
    """Held until it is left, or the process ends in whatever way. Raises ServerFailed, and OutputUnwritable.

    The directory itself is locked as well: somebody who clears away the file opens the door to no second server.
    """
    with ExitStack() as stack:
        try:
            prepare_state_directory(state)
            directory = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, directory)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(state / LOCK_FILE, flags, 0o600)
            stack.callback(os.close, descriptor)
        except OSError as error:
            detail = f"the state directory cannot be used: {explain_os_error(error)}"
            raise OutputUnwritable(OUTPUT_UNWRITABLE, detail) from error
        try:
            _lock(descriptor)
        except OSError as error:
            detail = f"the state directory cannot be locked: {explain_os_error(error)}"
            raise OutputUnwritable(OUTPUT_UNWRITABLE, detail) from error
        with suppress(OSError):  # file systems of a network lock files alone
            _lock(directory)
        yield


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ServerFailed(SERVER_STATE_IN_USE, "another server runs with this state directory") from error
