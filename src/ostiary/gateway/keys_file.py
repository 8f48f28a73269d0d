"""The file of clients' keys on the disk: read where it is ours alone, and changed by one program at a time.

A change is wholly there or not at all, and whoever reads meanwhile reads the old keys. The lock is a file of its
own, as the file of keys is another one after each change.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from ostiary.core.limits import MAX_CLIENT_KEYS_BYTES
from ostiary.core.text import explain_os_error
from ostiary.errors import KEY_UNUSABLE, OUTPUT_UNWRITABLE, Misuse, OutputUnwritable
from ostiary.gateway.client_key import KEYS_FILE, ClientKey, make_key, parse_keys, render_keys, unusable
from ostiary.record.durable import replace_file
from ostiary.record.place import RECORD_DIRECTORY, prepare_state_directory

LOCK_FILE: Final = "server-keys.lock"
FIRST_NAME: Final = "first"
_LOCK_SECONDS: Final = 10.0
_LOCK_PAUSE_SECONDS: Final = 0.02
_AS_ITS_USER: Final = "Run this as the user that the server runs as: sudo -u USER ostiary ..."
_ALONE: Final = "Take that away (chmod 600), once you are sure that nobody changed it."

Keys: TypeAlias = tuple[ClientKey, ...]
Stamp: TypeAlias = tuple[int, ...]
"""What a file looks like from outside: another one after every change. One is made for each request."""


def read_stamp(path: str) -> Stamp | None:
    """None where there is no file. Raises OSError."""
    try:
        return _stamp(os.lstat(path))
    except FileNotFoundError:
        return None


def read_keys(path: Path) -> tuple[Keys, Stamp]:
    """With the stamp of the very file that was read. Raises Misuse(KEY_UNUSABLE)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            _judge_file(found)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(MAX_CLIENT_KEYS_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        hint = {"hint": _AS_ITS_USER} if isinstance(error, PermissionError) else {}
        raise unusable(f"cannot be read: {explain_os_error(error)}", **hint) from error
    return parse_keys(data), _stamp(found)


def read_kept_keys(state: Path) -> Keys:
    """Those of a state directory; none where there is no file. Raises Misuse(KEY_UNUSABLE)."""
    path = state / KEYS_FILE
    return read_keys(path)[0] if os.path.lexists(path) else ()


def change_keys(state: Path, change: Callable[[Keys], Keys], announce: Callable[[], None] = lambda: None) -> Keys:
    """Puts what `change` makes of the keys in their place, and returns it.

    `announce` is called when all is judged, right before: where it raises, nothing is changed. Raises Misuse, and
    OutputUnwritable where the disk is full, or another program changes the keys for too long.
    """
    try:
        prepare_state_directory(state)
        with _locked(state):
            before = read_kept_keys(state)
            after = change(before)
            if after == before:
                return after
            data = render_keys(after)
            announce()
            _clear_leftovers(state)
            replace_file(state / KEYS_FILE, data, mode=0o600)
            return after
    except OSError as error:
        raise _unwritable(error) from error


def check_owner(state: Path) -> None:
    """Raises Misuse where another user's server has this directory: it could not read what we write there."""
    for place in (state / KEYS_FILE, state / RECORD_DIRECTORY, state):
        try:
            owner = place.lstat().st_uid
        except OSError:  # nothing there, or a state directory that shows when it is written to
            continue
        if owner != os.geteuid():
            raise Misuse(
                KEY_UNUSABLE,
                "the state directory is another user's",
                hint=_AS_ITS_USER,
            )
        return


def make_first_key(
    state: Path, now: int, announce: Callable[[ClientKey], None] = lambda _: None
) -> tuple[ClientKey, str] | None:
    """None where there is a file of keys already: also where another program was first just now."""
    if os.path.lexists(state / KEYS_FILE):
        return None
    kept, text = make_key(FIRST_NAME, now)
    is_made = False

    def add(before: Keys) -> Keys:
        nonlocal is_made
        is_made = not before and not os.path.lexists(state / KEYS_FILE)
        return (kept,) if is_made else before

    change_keys(state, add, lambda: announce(kept))
    return (kept, text) if is_made else None


def _clear_leftovers(state: Path) -> None:
    """Of programs that were killed while they wrote: nobody else writes now."""
    for path in state.glob(f".{KEYS_FILE}.*.new"):
        path.unlink(missing_ok=True)


def _judge_file(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise unusable("is not a regular file")
    if found.st_uid not in (os.geteuid(), 0):
        raise unusable("belongs to another user", hint=_AS_ITS_USER)
    if found.st_mode & 0o077:
        raise unusable("can be read or written by others", hint=_ALONE)


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(state / LOCK_FILE, flags, 0o600)
    try:
        _take_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _take_lock(descriptor: int) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise OutputUnwritable(
                    OUTPUT_UNWRITABLE,
                    f"{KEYS_FILE} is being changed by another program",
                    hint="Try again when that has ended. The keys are as they were.",
                ) from error
        time.sleep(_LOCK_PAUSE_SECONDS)


def _unwritable(error: OSError) -> OutputUnwritable:
    hint = None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = f"Make room on the disk, then try again. To let nobody in until then, move {KEYS_FILE} away."
    return OutputUnwritable(
        OUTPUT_UNWRITABLE, f"{KEYS_FILE} cannot be written: {explain_os_error(error)}", hint=hint
    )
