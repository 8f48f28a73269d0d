"""Reads a record's tables. What comes back is claimed until `verify` has looked at it: anybody can edit a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from ostiary.core.values import dataclass
from ostiary.errors import RECORD_CORRUPT, RECORD_NO_ENTRY, Misuse, RecordDamaged
from ostiary.record.connection import sqlite_explained
from ostiary.record.entry import TIME_IN_BODY, Entry, Salt, parse_entry
from ostiary.record.merkle import EMPTY_ROOT, HASH_BYTES, hash_range

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


class Reader:
    """Look-ups on one connection. Not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def follow(self, connection: sqlite3.Connection) -> None:
        """To another connection, when the one that it had was closed."""
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
