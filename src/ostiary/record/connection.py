"""Opens SQLite connections to a record, and tells SQLite's failures in the house's words.

SQLite's locks on Unix belong to the process, not to the connection. Two things follow, and a record that several
processes open and close was damaged until both were heeded:

- Nobody here opens the database's file but SQLite: closing a descriptor of it takes away the locks of every
  connection of the process, and another process then removes the write-ahead log in use.
- A process that was forked while a connection was open inherits SQLite's belief that its locks are held, but not
  the locks. So what writes lets go of its connection for the moment of a fork (`let_go_for_forks`); where that
  cannot be, the child is refused.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet

from ostiary.core.limits import MAX_RECORD_WAIT_MS
from ostiary.errors import (
    RECORD_BUSY,
    RECORD_CORRUPT,
    RECORD_DISK_FULL,
    RECORD_FOREIGN,
    RECORD_READ_ONLY,
    RECORD_UNWRITABLE,
    RecordDamaged,
    RecordUnwritable,
)
from ostiary.record.schema import APPLICATION_ID, OPEN_PRAGMAS, SCHEMA_VERSION, TABLES

_Identity = tuple[int, int]


class _Connection(sqlite3.Connection):
    identity: _Identity | None

    def close(self) -> None:
        super().close()
        _open.discard(self)


_open: Final[WeakSet[_Connection]] = WeakSet()
_open_at_fork: Final[dict[_Identity, _Connection]] = {}
"""Kept, as closing what the parent opened is as wrong as using it."""


class _LetsGo(Protocol):
    def let_go(self) -> bool:
        """Close the connection. False where it is in use."""

    def take_up(self) -> None:
        """Open it again."""


_let_go_for_forks: Final[WeakSet[_LetsGo]] = WeakSet()
_let_go_now: Final[list[_LetsGo]] = []


def let_go_for_forks(holder: _LetsGo) -> None:
    """As long as somebody holds `holder`."""
    _let_go_for_forks.add(holder)


def _before_fork() -> None:
    _let_go_now.extend([holder for holder in _let_go_for_forks if holder.let_go()])


def _after_fork() -> None:
    while _let_go_now:
        _let_go_now.pop().take_up()


def _after_fork_in_child() -> None:
    _let_go_now.clear()
    _let_go_for_forks.clear()
    _open_at_fork.update({c.identity: c for c in _open if c.identity})


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


def _identify(database: Path) -> _Identity | None:
    try:
        found = database.stat()
    except OSError:
        return None  # SQLite says what is wrong with it
    return found.st_dev, found.st_ino


def explain_sqlite(error: sqlite3.Error, doing: str) -> RecordUnwritable:
    """SQLite's failure in the house's words; the library's own text stays in the cause."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match primary:
        case sqlite3.SQLITE_FULL:
            return RecordUnwritable(RECORD_DISK_FULL, f"the disk is full ({doing})")
        case sqlite3.SQLITE_READONLY:
            return RecordUnwritable(RECORD_READ_ONLY, f"the record's place is read-only ({doing})")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RecordUnwritable(RECORD_BUSY, f"another program holds the record ({doing})")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_SCHEMA | sqlite3.SQLITE_FORMAT:
            return RecordDamaged(RECORD_CORRUPT, f"a page of the record is damaged ({doing})")
        case _:
            return RecordUnwritable(RECORD_UNWRITABLE, f"the operating system refused ({doing})")


@contextmanager
def sqlite_explained(doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain_sqlite(error, doing) from error
    except (OverflowError, UnicodeDecodeError) as error:
        raise RecordDamaged(RECORD_CORRUPT, f"a value in the record is damaged ({doing})") from error


def connect(database: Path, *, mode: str) -> sqlite3.Connection:
    """An SQLite connection with the record's settings; refuses a schema that is not the record's own."""
    identity = _identify(database)
    if identity in _open_at_fork:
        raise RecordUnwritable(
            RECORD_UNWRITABLE,
            "this process was forked from one that had the record open",
            hint="Open the record (or the model) after the fork, or start processes by `spawn`.",
        )
    with sqlite_explained("opening it"):
        connection = sqlite3.connect(
            f"{database.absolute().as_uri()}?{mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=MAX_RECORD_WAIT_MS / 1000,
            factory=_Connection,
        )
        connection.identity = identity
        _open.add(connection)
        try:
            _check_header(connection)
            for pragma in OPEN_PRAGMAS:
                connection.execute(pragma)
            found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        except BaseException:
            connection.close()
            raise
    if found != set(TABLES):
        connection.close()
        raise RecordDamaged(RECORD_FOREIGN, "the tables in log.db are not those of a record")
    return connection


def _check_header(connection: sqlite3.Connection) -> None:
    """A record's database says so in its first page, and in which format it is."""
    try:
        ((owner,), (version,)) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
            raise RecordDamaged(RECORD_FOREIGN, "log.db is not an SQLite database") from error
        raise
    if owner != APPLICATION_ID:
        raise RecordDamaged(RECORD_FOREIGN, "log.db is an SQLite database of another program")
    if version != SCHEMA_VERSION:
        raise RecordDamaged(
            RECORD_FOREIGN,
            f"the record has format {version}; this version of Ostiary knows format {SCHEMA_VERSION}",
            hint="Use the version of Ostiary that wrote it, or a newer one.",
        )


def connect_to_read(database: Path) -> sqlite3.Connection:
    """Read-only. In a place that cannot be written, a record without a write-ahead log is read as it lies."""
    wal = database.with_name(f"{database.name}-wal")
    if not os.access(database.parent, os.W_OK) and not _has_content(wal):
        return connect(database, mode="mode=ro&immutable=1")
    return connect(database, mode="mode=ro")


def _has_content(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return not stat.S_ISREG(found.st_mode) or found.st_size > 0
