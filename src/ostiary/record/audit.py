"""The core of verifying a record, pure: fed rows in order, it recomputes the tree and collects what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Final

from ostiary.core.values import dataclass
from ostiary.errors import (
    CODES,
    RECORD_BAD_SIGNATURE,
    RECORD_CHANGED,
    RECORD_REMOVED,
    RECORD_REORDERED,
    Code,
    RecordRefused,
)
from ostiary.record.entry import Entry, parse_entry
from ostiary.record.events import RecordArchived, RecordBegun, RecordClockSteppedBack, RecordKeyRotated
from ostiary.record.merkle import HASH_BYTES, add_leaf, hash_leaf, root_of_peaks
from ostiary.record.note import VerifierKey, parse_verifier_key
from ostiary.record.reader import StoredRow

_MAX_PROBLEMS: Final = 100

STAYING_KINDS: Final = frozenset({RecordBegun.kind, RecordKeyRotated.kind, RecordArchived.kind})
"""Entries of these kinds are never archived: verifying the others needs them."""


@dataclass(frozen=True, slots=True)
class KeyEpoch:
    """These keys sign what comes after the entry that announced them."""

    announced_at: int
    keys: tuple[VerifierKey, ...]


@dataclass(slots=True)
class Audit:
    """What is known of a record after the rows so far."""

    wanted_sizes: frozenset[int]
    """Tree sizes whose roots somebody will ask for."""
    roots: dict[int, bytes]
    problems: list[RecordRefused] = field(default_factory=list)
    epochs: list[KeyEpoch] = field(default_factory=list)
    archivings: dict[int, Entry] = field(default_factory=dict)
    """The entries that say that others were archived."""
    size: int = 0
    origin: str = ""
    _archived: list[list[int]] = field(default_factory=list)
    """Ranges [first, end) of rows without bytes."""
    _staying: list[int] = field(default_factory=list)
    _peaks: list[bytes] = field(default_factory=list)
    _has_gap: bool = False
    _last_time: str = ""

    @property
    def root(self) -> bytes:
        return root_of_peaks(self._peaks)

    @property
    def archived(self) -> int:
        """How many entries were there as hashes only."""
        return sum(end - first for first, end in self._archived)

    def add_problem(self, code: Code, message: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(RecordRefused(code, message))

    def add(self, row: StoredRow) -> None:
        if row.index < self.size:
            self.add_problem(RECORD_REORDERED, f"number {row.index} was given twice")
            return
        if row.index > self.size:
            which = (
                f"entry {self.size} is"
                if row.index == self.size + 1
                else f"entries {self.size} to {row.index - 1} are"
            )
            self.add_problem(RECORD_REMOVED, f"{which} not there")
            self._has_gap = True
        leaf_hash = row.hashes[:HASH_BYTES]
        if row.body is None:
            self._add_archived(row.index)
        else:
            leaf_hash = hash_leaf(row.body)
            self._add_entry(row.index, row.body)
        self.size = row.index + 1
        if leaf_hash != row.hashes[:HASH_BYTES]:
            self.add_problem(RECORD_CHANGED, f"entry {row.index} is not the one that was recorded there")
        if self._has_gap:
            # Subtrees after a gap cannot be recomputed.
            return
        if add_leaf(self._peaks, row.index, leaf_hash)[HASH_BYTES:] != row.hashes[HASH_BYTES:]:
            self.add_problem(
                RECORD_CHANGED, f"the subtrees that entry {row.index} completes are not those recorded"
            )
        if self.size in self.wanted_sizes:
            self.roots[self.size] = self.root

    def find_keys(self, size: int) -> tuple[VerifierKey, ...]:
        """The keys that sign a checkpoint of this size: the old ones still sign the entry that ends their time."""
        keys: tuple[VerifierKey, ...] = ()
        for epoch in self.epochs:
            if not keys or epoch.announced_at + 1 < size:
                keys = epoch.keys
        return keys

    def check_archived(self, announced: Sequence[tuple[int, int]]) -> None:
        """The rows without bytes are those of the announced ranges, but for the entries that stay."""
        ranges: list[list[int]] = []
        for first, end in announced:
            start = first
            for staying in (*(n for n in self._staying if first <= n < end), end):
                if start < staying:
                    _add_range(ranges, start, staying)
                start = staying + 1
        if ranges != self._archived:
            self.add_problem(RECORD_REMOVED, "the bytes of entries are gone that no announced archive holds")

    def _add_archived(self, index: int) -> None:
        _add_range(self._archived, index, index + 1)

    def _add_entry(self, index: int, body: bytes) -> None:
        try:
            entry = parse_entry(body, index)
        except RecordRefused as problem:
            self.add_problem(CODES[problem.code], problem.message)
            return
        if entry.index != index:
            self.add_problem(
                RECORD_REORDERED, f"at number {index} stands what was recorded as number {entry.index}"
            )
        if entry.at < self._last_time and entry.kind != RecordClockSteppedBack.kind:
            self.add_problem(RECORD_REORDERED, f"entry {index} is older than the one before it")
        self._last_time = entry.at
        if entry.kind in STAYING_KINDS:
            self._staying.append(index)
        if entry.kind in (RecordBegun.kind, RecordKeyRotated.kind):
            self._add_keys(index, entry)
        elif entry.kind == RecordArchived.kind:
            self.archivings[index] = entry

    def _add_keys(self, index: int, entry: Entry) -> None:
        if (index == 0) != (entry.kind == RecordBegun.kind):
            self.add_problem(RECORD_CHANGED, f"entry {index} begins a record that has begun, or has not")
            return
        listed, origin = entry.data.get("keys"), entry.data.get("origin")
        if index == 0 and isinstance(origin, str):
            self.origin = origin
        try:
            keys = tuple(parse_verifier_key(str(key)) for key in listed) if isinstance(listed, list) else ()
        except RecordRefused:
            keys = ()
        if not keys or {key.name for key in keys} != {self.origin}:
            self.add_problem(RECORD_BAD_SIGNATURE, f"entry {index} announces no keys of this record")
            return
        self.epochs.append(KeyEpoch(index, keys))


def _add_range(ranges: list[list[int]], first: int, end: int) -> None:
    if ranges and ranges[-1][1] == first:
        ranges[-1][1] = end
    else:
        ranges.append([first, end])
