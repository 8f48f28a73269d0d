"""Reads a record's tables. What comes back is claimed until `verify` has looked at it: anybody can edit a file."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from ostiary.core.limits import MAX_RECORD_WAIT_MS
from ostiary.core.values import dataclass
from ostiary.errors import (
    RECORD_BUSY,
    RECORD_CORRUPT,
    RECORD_DISK_FULL,
    RECORD_FOREIGN,
    RECORD_NO_ENTRY,
    RECORD_READ_ONLY,
    RECORD_UNWRITABLE,
    Misuse,
    RecordDamaged,
    RecordUnwritable,
)
from ostiary.record.entry import TIME_IN_BODY, Entry, Salt, parse_entry
from ostiary.record.merkle import EMPTY_ROOT, HASH_BYTES, hash_range
from ostiary.record.schema import OPEN_PRAGMAS, TABLES

_ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """Entries [first, end) are in this file; entry `n` says so."""

    first: int
    end: int
    file: str
    sha256: str
    n: int


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One entry as it lies in the tables: `body` is None where it was archived (or taken away)."""

    index: int
    hashes: bytes
    body: bytes | None


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
    with sqlite_explained("opening it"):
        connection = sqlite3.connect(
            f"{database.absolute().as_uri()}?{mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=MAX_RECORD_WAIT_MS / 1000,
        )
        try:
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


class Reader:
    """Look-ups on one connection. Not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the record as of one moment."""
        with sqlite_explained("reading it"):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with sqlite_explained("reading it"):
                self._connection.execute("ROLLBACK")

    def read_size(self) -> int:
        row = self._one("SELECT max(n) FROM entry")
        return 0 if row is None or row[0] is None else _number(row[0]) + 1

    def read_node(self, level: int, index: int) -> bytes:
        start = level * HASH_BYTES
        node = self.read_hashes(((index + 1) << level) - 1)[start : start + HASH_BYTES]
        if len(node) != HASH_BYTES:
            raise RecordDamaged(RECORD_CORRUPT, f"the hash of subtree {index} at level {level} is missing")
        return node

    def read_hashes(self, index: int) -> bytes:
        """An entry's leaf hash, then the hashes of the subtrees that it completed; empty where it is missing."""
        row = self._one("SELECT hashes FROM entry WHERE n = ?", index) or self._one(
            "SELECT hashes FROM archived WHERE n = ?", index
        )
        return b"" if row is None else _blob(row[0])

    def read_root(self, size: int) -> bytes:
        return hash_range(self.read_node, 0, size) if size else EMPTY_ROOT

    def read_body(self, index: int) -> bytes | None:
        """The entry's bytes; None where they were archived."""
        row = self._one("SELECT body FROM entry WHERE n = ?", index)
        if row is None and not 0 <= index < self.read_size():
            raise Misuse(RECORD_NO_ENTRY, f"the record has no entry {index}")
        return None if row is None else _blob(row[0])

    def read_entry(self, index: int) -> Entry:
        body = self.read_body(index)
        if body is None:
            raise Misuse(RECORD_NO_ENTRY, f"entry {index} was archived")
        return parse_entry(body, index)

    def read_rows(self) -> Iterator[StoredRow]:
        """Every entry as it is stored, in order, archived ones without body."""
        for index, hashes, body in self._many(
            "SELECT n, hashes, body FROM entry UNION ALL SELECT n, hashes, NULL FROM archived ORDER BY n"
        ):
            yield StoredRow(_number(index), _blob(hashes), None if body is None else _blob(body))

    def read_bodies(self, first: int, end: int, *, holding: bytes = b"") -> Iterator[tuple[int, bytes]]:
        """The entries in [first, end) that are not archived and hold these bytes somewhere, oldest first."""
        for index, body in self._many(
            "SELECT n, body FROM entry WHERE n >= ? AND n < ? AND instr(body, ?) ORDER BY n", first, end, holding
        ):
            yield _number(index), _blob(body)

    def find_time(self, first: int, at: str) -> int:
        """The number of the first entry from `first` on that is not older than this time."""
        row = self._one(
            "SELECT min(n) FROM entry WHERE n >= ? AND substr(body, ?, ?) >= ?", first, *TIME_IN_BODY, at.encode()
        )
        return self.read_size() if row is None or row[0] is None else _number(row[0])

    def find_room(self, first: int, kept_bytes: int) -> int:
        """The number of the entry from which on the newest ones take no more than this together."""
        end = self.read_size()
        for index, taken in self._many(
            "SELECT n, length(hashes) + length(body) FROM entry WHERE n >= ? ORDER BY n DESC", first
        ):
            kept_bytes -= _number(taken)
            if kept_bytes < 0:
                break
            end = _number(index)
        return end

    def read_checkpoints(self) -> tuple[tuple[int, bytes], ...]:
        return tuple(
            (_number(size), _blob(note))
            for size, note in self._many("SELECT size, note FROM checkpoint ORDER BY size")
        )

    def read_kept_sizes(self) -> frozenset[int]:
        """The sizes of the checkpoints that must stay."""
        return frozenset(_number(size) for (size,) in self._many("SELECT size FROM checkpoint WHERE is_kept"))

    def read_latest_checkpoint(self) -> tuple[int, bytes] | None:
        row = self._one("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
        return None if row is None else (_number(row[0]), _blob(row[1]))

    def read_keys(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """(index of the announcing entry, verifier keys), oldest first."""
        return tuple(
            (_number(n), tuple(_text(keys).split("\n")))
            for n, keys in self._many("SELECT n, keys FROM vkey ORDER BY n")
        )

    def read_archives(self) -> tuple[ArchiveRow, ...]:
        return tuple(
            ArchiveRow(_number(row[0]), _number(row[1]), _text(row[2]), _text(row[3]), _number(row[4]))
            for row in self._many("SELECT first, end, file, sha256, n FROM archive ORDER BY first")
        )

    def read_salts(self, index: int) -> tuple[Salt, ...]:
        return tuple(
            Salt(_text(field), _blob(salt))
            for field, salt in self._many("SELECT field, salt FROM salt WHERE n = ? ORDER BY field", index)
        )

    def read_page_problems(self) -> tuple[str, ...]:
        """What SQLite's own integrity check says; empty where every page is sound."""
        rows = tuple(str(row[0]) for row in self._many("PRAGMA integrity_check(20)"))
        return () if rows == ("ok",) else rows

    def _one(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        with sqlite_explained("reading it"):
            row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
            return row

    def _many(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with sqlite_explained("reading it"):
            cursor = self._connection.execute(sql, values)
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                yield from rows


# SQLite keeps the declared types when it writes; whoever edits the file need not.


def _number(value: object) -> int:
    if type(value) is not int:
        raise RecordDamaged(RECORD_CORRUPT, "a value in the record has the wrong type")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise RecordDamaged(RECORD_CORRUPT, "a value in the record has the wrong type")
    return value


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise RecordDamaged(RECORD_CORRUPT, "a value in the record has the wrong type")
    return value
