"""Where the record lives, and how it comes into being: wholly, in one step, or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from ostiary.errors import (
    RECORD_CORRUPT,
    RECORD_FOREIGN,
    RECORD_MISSING,
    RecordDamaged,
)
from ostiary.record.durable import sync_directory
from ostiary.record.keys import KEY_FILE, SIGNER_FILE

STATE_VARIABLE: Final = "OSTIARY_STATE_DIR"
RECORD_DIRECTORY: Final = "record"
DATABASE_FILE: Final = "log.db"
LOCK_FILE: Final = "log.lock"
HOOK_FILE: Final = "hook.json"
ARCHIVE_DIRECTORY: Final = "archive"


def find_state_directory() -> Path:
    """OSTIARY_STATE_DIR, or the place the platform has for a user's state."""
    chosen = os.environ.get(STATE_VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    import platformdirs  # noqa: PLC0415  # only where nothing is chosen

    return Path(platformdirs.user_state_dir("ostiary", appauthor=False))


def prepare_state_directory(state: Path) -> None:
    """Makes the directory, for this user alone, and its name durable."""
    missing = [place for place in (state, *state.parents) if not place.exists()]
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in missing:
        sync_directory(place.parent)


def is_begun(state: Path) -> bool:
    return os.path.lexists(state / RECORD_DIRECTORY)


def open_staging(state: Path) -> Path:
    """A new directory beside the record's place, in which a whole new record is built."""
    staging = state / f".{RECORD_DIRECTORY}.{os.getpid()}.{os.urandom(4).hex()}.new"
    staging.mkdir(mode=0o700)
    return staging


def publish_staging(staging: Path, state: Path) -> bool:
    """Puts the built record in its place; False where somebody else was first (and the staged one is gone)."""
    sync_directory(staging)
    try:
        staging.rename(state / RECORD_DIRECTORY)
    except OSError:
        if not is_begun(state):
            raise
        shutil.rmtree(staging)
        return False
    sync_directory(state)
    return True


def examine_place(record: Path) -> Path:
    """Looks at what lies in the record's place before SQLite does; returns the database's path.

    1. The directory is a directory of this user (or root), and no link.
    2. The database is there: where it is not, a key without its record is no reason to begin another one.
    3. It is a regular file that is not empty. What is in it, `connect` asks SQLite: to open the file here, and to
       close it, would take away the locks of every connection that this process has to it.
    """
    try:
        place = record.lstat()
        if not stat.S_ISDIR(place.st_mode) or place.st_uid not in (os.geteuid(), 0):
            raise RecordDamaged(RECORD_FOREIGN, "`record` in the state directory is not a directory of this user")
        database = record / DATABASE_FILE
        if not os.path.lexists(database):
            raise RecordDamaged(
                RECORD_MISSING, f"the directory `record` is there, but {DATABASE_FILE} in it is not"
            )
        found = database.lstat()
    except OSError as error:
        raise RecordDamaged(RECORD_CORRUPT, f"{DATABASE_FILE} cannot be opened") from error
    if not stat.S_ISREG(found.st_mode):
        raise RecordDamaged(RECORD_FOREIGN, f"{DATABASE_FILE} is not a regular file")
    if not found.st_size:
        raise RecordDamaged(RECORD_CORRUPT, f"{DATABASE_FILE} was emptied")
    return database


def has_keys(record: Path) -> bool:
    return os.path.lexists(record / KEY_FILE) or os.path.lexists(record / SIGNER_FILE)
