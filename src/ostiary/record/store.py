"""Writes a record's tables: one writer at a time, whichever thread or process, and every commit on the disk.

Writers take a lock file before SQLite's own lock, and write-ahead frames are moved into the database (which COMMIT
does every thousand pages) only under it: SQLite before 3.51.3 has a race between a writer that restarts the
write-ahead log and another connection that moves frames, which can lose committed pages.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from ostiary.core.limits import MAX_RECORD_WAIT_MS
from ostiary.errors import (
    RECORD_BUSY,
    RECORD_CORRUPT,
    RECORD_DISK_FULL,
    RECORD_READ_ONLY,
    RECORD_UNWRITABLE,
    RecordDamaged,
    RecordUnwritable,
)
from ostiary.record.connection import connect, explain_sqlite, let_go_for_forks, sqlite_explained
from ostiary.record.entry import MARK_OF_MEMORY, EncodedEvent, place_event, read_time, spell_time
from ostiary.record.merkle import HASH_BYTES, add_leaf, hash_leaf, list_peaks, root_of_peaks
from ostiary.record.place import LOCK_FILE
from ostiary.record.reader import ArchiveRow, Reader
from ostiary.record.schema import CREATE_PRAGMAS, OPEN_PRAGMAS, TABLES

_LEAVING: Final = (
    "WHERE n >= ? AND n < ? AND n NOT IN (SELECT n FROM vkey UNION SELECT n FROM archive) "  # noqa: S608  # constants
    f"AND instr(body, X'{MARK_OF_MEMORY.hex()}') = 0"
)
"""What an archive takes away. What was remembered of models stays: without it an older model could come back."""
_INSERT_NEXT: Final = (
    "INSERT INTO entry (n, hashes, body) VALUES (?, CASE (SELECT max(n) FROM entry) WHEN ? THEN ? END, ?)"
)
"""Violates NOT NULL, and so writes nothing, where the last entry is not the given one."""
_FIRST_PAUSE_S: Final = 0.0002
_LAST_PAUSE_S: Final = 0.005
_FORK_WAIT_S: Final = 1.0


def explain_os(error: OSError, doing: str) -> RecordUnwritable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RecordUnwritable(RECORD_DISK_FULL, f"the disk is full ({doing})")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RecordUnwritable(RECORD_READ_ONLY, f"the record's place is read-only ({doing})")
    return RecordUnwritable(RECORD_UNWRITABLE, f"the operating system refused ({doing})")


def create_database(database: Path) -> None:
    """An empty record's tables, durable and without a write-ahead log beside them when it returns."""
    with sqlite_explained("creating it"):
        connection = sqlite3.connect(database, isolation_level=None)
        try:
            for statement in (*CREATE_PRAGMAS, *OPEN_PRAGMAS, *TABLES):
                connection.execute(statement)
        finally:
            connection.close()


class Store:
    """The writing side. Not for several threads at once: `log.py` sees to that."""

    def __init__(self, database: Path) -> None:
        try:
            # First, as it says most plainly that a place is read-only.
            self._lock_file = os.open(
                database.with_name(LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise explain_os(error, "taking its lock") from error
        self._database: Final = database
        try:
            self._connection = connect(database, mode="mode=rw")
        except BaseException:
            os.close(self._lock_file)
            raise
        self._cursor = self._connection.cursor()
        self.reader: Final = Reader(self._connection)
        self._is_closed = False
        self._mutex = threading.RLock()  # knows whose it is; nobody takes it twice
        self.size = -1
        """Entries in the tree; inside `transaction` only."""
        self.last_time = ""
        """The time of the newest entry; inside `transaction` only."""
        self._peaks: list[bytes] = []
        let_go_for_forks(self)

    def close(self) -> None:
        """Without the lock file: SQLite moves frames here only where no other connection is left to race with."""
        self._is_closed = True
        try:
            with sqlite_explained("closing it"):
                self._disconnect()
        finally:
            os.close(self._lock_file)

    def let_go(self) -> bool:
        """For the moment of a fork. False where a thread is at work that does not end soon, or this one is."""
        if self._is_closed or self._mutex._is_owned():  # type: ignore[attr-defined]
            return False
        if not self._mutex.acquire(timeout=_FORK_WAIT_S):
            return False
        self._disconnect()
        return True

    def take_up(self) -> None:
        """What fails is told by whoever writes next: the connection stays closed."""
        try:
            if not self._is_closed:
                self._connection = connect(self._database, mode="mode=rw")
                self._cursor = self._connection.cursor()
                self.reader.follow(self._connection)
        except RecordUnwritable:
            return
        finally:
            self._mutex.release()

    def _disconnect(self) -> None:
        # First: a statement that is still held would keep the connection, and its locks, alive.
        with suppress(sqlite3.ProgrammingError):  # what a fork left closed
            self._cursor.close()
        self._connection.close()

    @property
    def root(self) -> bytes:
        """The root of the tree; inside `transaction` only."""
        return root_of_peaks(self._peaks)

    def transaction(self) -> Self:
        """For `with`: all or nothing, and on the disk when it ends without an exception."""
        return self

    def __enter__(self) -> Self:
        self._lock()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._catch_up()
        except BaseException as error:
            self._give_up(error)
            raise
        return self

    def __exit__(self, _type: object, failure: BaseException | None, _trace: object) -> None:
        if failure is not None:
            self._give_up(failure)
            return
        try:
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._give_up(error)
            raise
        self._unlock()

    def _give_up(self, failure: BaseException) -> None:
        self.size = -1
        try:
            self._roll_back()
        finally:
            self._unlock()
        if isinstance(failure, sqlite3.Error):
            raise explain_sqlite(failure, "writing to it") from failure

    def append_alone(self, event: EncodedEvent, clock: Callable[[], datetime], actor: str) -> int | None:
        """One event in a transaction of its own, by one statement instead of four; returns its index.

        None, and nothing is written, where it needs more: something else wrote meanwhile (the statement itself sees
        to that), the clock stands before the last entry, or the event has salts.
        """
        if event.salts:
            return None
        self._lock()
        try:
            index, at = self.size, spell_time(clock())
            if index < 0 or at < self.last_time:
                return None
            # Unknown until the statement has succeeded.
            self.size = -1
            body = place_event(event, index, at, actor)
            hashes = add_leaf(self._peaks, index, hash_leaf(body))
            self._cursor.execute(_INSERT_NEXT, (index, index - 1, hashes, body))
            self.size, self.last_time = index + 1, at
        except sqlite3.IntegrityError:
            return None
        except sqlite3.Error as error:
            raise explain_sqlite(error, "writing to it") from error
        finally:
            self._unlock()
        return index

    def append(self, events: Sequence[EncodedEvent], at: str, actor: str) -> int:
        """Places the events at the end of the tree; returns the index of the first."""
        first = self.size
        entries, salts = [], []
        for index, event in enumerate(events, first):
            body = place_event(event, index, at, actor)
            entries.append((index, add_leaf(self._peaks, index, hash_leaf(body)), body))
            if event.salts:
                salts += [(index, salt.field, salt.salt) for salt in event.salts]
        self.size = first + len(events)
        self.last_time = at
        self._write_many("INSERT INTO entry (n, hashes, body) VALUES (?, ?, ?)", entries)
        self._write_many("INSERT INTO salt (n, field, salt) VALUES (?, ?, ?)", salts)
        return first

    def add_keys(self, index: int, keys: Sequence[str]) -> None:
        self._write("INSERT INTO vkey (n, keys) VALUES (?, ?)", index, "\n".join(keys))

    def add_checkpoint(self, size: int, note: bytes, *, is_kept: bool) -> None:
        """The newest one takes the place of the last, unless that must stay."""
        self._write("DELETE FROM checkpoint WHERE size < ? AND NOT is_kept", size)
        self._write(
            "INSERT INTO checkpoint (size, note, is_kept) VALUES (?, ?, ?) "
            "ON CONFLICT (size) DO UPDATE SET note = excluded.note, is_kept = excluded.is_kept WHERE NOT is_kept",
            size,
            note,
            int(is_kept),
        )

    def add_archive(self, row: ArchiveRow) -> None:
        """The entries' bytes and salts leave; their hashes stay, and so do entries about keys and archives."""
        self._write(
            "INSERT INTO archive (first, end, file, sha256, n) VALUES (?, ?, ?, ?, ?)",
            row.first,
            row.end,
            row.file,
            row.sha256,
            row.n,
        )
        move = f"INSERT INTO archived (n, hashes) SELECT n, hashes FROM entry {_LEAVING}"  # noqa: S608  # a constant
        self._write(move, row.first, row.end)
        self._write(f"DELETE FROM entry {_LEAVING}", row.first, row.end)  # noqa: S608  # a constant
        self.remove_salts(row.first, row.end)

    def count_salts(self, first: int, end: int) -> int:
        with sqlite_explained("reading it"):
            row = self._connection.execute(
                "SELECT count(*) FROM salt WHERE n >= ? AND n < ?", (first, end)
            ).fetchone()
        return int(row[0])

    def remove_salts(self, first: int, end: int) -> None:
        self._write("DELETE FROM salt WHERE n >= ? AND n < ?", first, end)

    def give_back_room(self) -> None:
        """Moves every frame into the database and returns free pages to the disk; outside `transaction`."""
        with self._locked(), sqlite_explained("giving room back"):
            # One step of it frees one page, and `execute` takes one step of a statement without columns.
            self._connection.executescript("PRAGMA incremental_vacuum")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _catch_up(self) -> None:
        """Takes over what other processes wrote since this one last looked."""
        (last,) = self._connection.execute("SELECT max(n) FROM entry").fetchone()
        if last == self.size - 1:
            return
        size = self.reader.read_size()
        if size:
            hashes = self.reader.read_hashes(size - 1)
            body = self.reader.read_body(size - 1)
            if (
                body is None
                or len(hashes) != HASH_BYTES * ((size & -size).bit_length())
                or hashes[:HASH_BYTES] != hash_leaf(body)
            ):
                raise RecordDamaged(RECORD_CORRUPT, "the last entry of the record is not whole")
            self.last_time = read_time(body)
        else:
            self.last_time = ""
        peaks = [self.reader.read_node(level, index) for level, index in list_peaks(0, size)]
        self._peaks, self.size = peaks, size

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                # The failure that led here is the one to tell; SQLite has rolled back by itself then.
                return

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock()
        try:
            yield
        finally:
            self._unlock()

    def _lock(self) -> None:
        """Keeps out other threads, then other processes: flock belongs to the open file, which threads share."""
        try:
            self._mutex.acquire()
            self._wait_for_file()
        except BaseException:
            if self._mutex._is_owned():  # type: ignore[attr-defined]
                self._mutex.release()
            raise

    def _unlock(self) -> None:
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        finally:  # a signal during the call interrupts here
            self._mutex.release()

    def _wait_for_file(self) -> None:
        deadline = 0.0  # the clock is not asked where nobody else has the lock
        pause = _FIRST_PAUSE_S
        while True:
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                deadline = deadline or time.monotonic() + MAX_RECORD_WAIT_MS / 1000
                if time.monotonic() > deadline:
                    raise RecordUnwritable(RECORD_BUSY, "another program holds the record's lock") from error
                time.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE_S)
            except OSError as error:
                raise explain_os(error, "taking its lock") from error

    def _write(self, sql: str, *values: object) -> None:
        self._connection.execute(sql, values)

    def _write_many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self._connection.executemany(sql, rows)
