"""Checks a whole record: every entry, every stored hash, every checkpoint. Nothing that the file says is believed.

Found without help is whatever somebody without the key did to the file. What its owner could do as well, cut it at
a checkpoint or write a whole new record, only a checkpoint or a verifier key kept elsewhere can show: give one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    CODES,
    RECORD_BAD_SIGNATURE,
    RECORD_CHANGED,
    RECORD_CORRUPT,
    RECORD_ROLLED_BACK,
    RECORD_TRUNCATED,
    RecordDamaged,
    RecordRefused,
)
from ostiary.record.archive_file import verify_archive_file
from ostiary.record.audit import Audit
from ostiary.record.checkpoint import parse_checkpoint, verify_checkpoint
from ostiary.record.merkle import EMPTY_ROOT
from ostiary.record.note import VerifierKey
from ostiary.record.reader import ArchiveRow, Reader


@dataclass(frozen=True, slots=True)
class Verified:
    """Evidence: the record of this name is whole up to this size."""

    origin: str
    size: int
    root: bytes
    archived: int
    """How many entries were only there as hashes."""
    archive_files: int
    """How many archive files were read along."""
    checkpoints: int
    """How many signed checkpoints agree, those kept elsewhere included."""
    outside_checkpoints: int
    keys: tuple[VerifierKey, ...]
    """Those that sign now."""


@dataclass(frozen=True, slots=True)
class OutsideCheckpoint:
    """A checkpoint that was kept elsewhere, and what to call it."""

    name: str
    note: bytes


def verify_record(
    reader: Reader,
    *,
    outside: Sequence[OutsideCheckpoint] = (),
    trusted_keys: Sequence[VerifierKey] = (),
    archive_directory: Path | None = None,
) -> Verified:
    """Verifies everything; raises `RecordRefused` with every problem, or returns the evidence.

    1. The database's pages are sound.
    2. Every entry is spelled right, stands at its number, and hashes to the stored leaf and subtree hashes.
    3. The keys are those that the entries announce, each rotation is covered by a checkpoint under the older keys,
       and one of `trusted_keys` is among them where some are given.
    4. Archived entries are accounted for by entries that say so, and by the archive files where they are at hand.
    5. The record's own checkpoints are signed by the keys of their time and have the recomputed roots.
    6. So have the checkpoints that were kept elsewhere.
    """
    with reader.snapshot():
        pages = reader.read_page_problems()
        if pages:
            raise RecordDamaged(RECORD_CORRUPT, f"pages of the record are damaged: {quote_untrusted(pages[0])}")
        own, kept = reader.read_checkpoints(), reader.read_kept_sizes()
        archives, announced = reader.read_archives(), reader.read_keys()
        audit = Audit(frozenset((*(size for size, _ in own), *_list_sizes(outside))), {0: EMPTY_ROOT})
        for row in reader.read_rows():
            audit.add(row)
    _check_keys(audit, announced, kept, trusted_keys)
    files = _check_archives(audit, archives, archive_directory)
    for size, note in own:
        _check_checkpoint(
            audit, OutsideCheckpoint(f"the record's own checkpoint of size {size}", note), is_own=True
        )
    if not own:
        audit.add_problem(RECORD_TRUNCATED, "the record's own checkpoints are gone")
    for given in outside:
        _check_checkpoint(audit, given, is_own=False)
    if audit.problems:
        first = audit.problems[0]
        raise RecordRefused(CODES[first.code], first.message, problems=audit.problems)
    return Verified(
        audit.origin,
        audit.size,
        audit.root,
        audit.archived,
        files,
        len(own) + len(outside),
        len(outside),
        audit.epochs[-1].keys,
    )


def _list_sizes(outside: Sequence[OutsideCheckpoint]) -> list[int]:
    sizes = []
    for given in outside:
        try:
            sizes.append(parse_checkpoint(given.note).size)
        except RecordRefused:
            # Refused with its name where it is checked.
            continue
    return sizes


def _check_keys(
    audit: Audit,
    announced: Sequence[tuple[int, tuple[str, ...]]],
    kept: frozenset[int],
    trusted_keys: Sequence[VerifierKey],
) -> None:
    if not audit.epochs:
        audit.add_problem(RECORD_CHANGED, "the entry that begins the record is not there")
        return
    spelled = tuple((epoch.announced_at, tuple(key.text for key in epoch.keys)) for epoch in audit.epochs)
    if spelled != tuple(announced):
        audit.add_problem(RECORD_CHANGED, "the table of keys is not what the entries announce")
    if kept != frozenset(epoch.announced_at + 1 for epoch in audit.epochs[1:]):
        audit.add_problem(
            RECORD_BAD_SIGNATURE, "a rotation of keys is not covered by a checkpoint under the older keys"
        )
    known = {key for epoch in audit.epochs for key in epoch.keys}
    if trusted_keys and not known.intersection(trusted_keys):
        audit.add_problem(RECORD_BAD_SIGNATURE, "the record was never signed by the verifier key that you trust")


def _check_archives(audit: Audit, archives: Sequence[ArchiveRow], directory: Path | None) -> int:
    """The table of archives, the entries that announce them, and the files say the same; returns how many files."""
    files = 0
    said = {
        index: (entry.data.get("first"), entry.data.get("end"), entry.data.get("file"), entry.data.get("sha256"))
        for index, entry in audit.archivings.items()
    }
    if said != {row.n: (row.first, row.end, row.file, row.sha256) for row in archives}:
        audit.add_problem(RECORD_CHANGED, "the table of archives is not what the entries announce")
    audit.check_archived([(row.first, row.end) for row in archives])
    for row in archives:
        path = None if directory is None else directory / Path(row.file).name
        if path is None or not path.is_file():
            continue
        files += 1
        try:
            read = verify_archive_file(path, None)
        except RecordRefused as problem:
            audit.add_problem(CODES[problem.code], f"archive {quote_untrusted(row.file)}: {problem.message}")
            continue
        if read.sha256 != row.sha256:
            audit.add_problem(
                RECORD_CHANGED, f"archive {quote_untrusted(row.file)} is not the file that was recorded"
            )
    return files


def _check_checkpoint(audit: Audit, given: OutsideCheckpoint, *, is_own: bool) -> None:
    name = quote_untrusted(given.name)
    try:
        claimed = parse_checkpoint(given.note)
        if claimed.origin != audit.origin:
            audit.add_problem(RECORD_BAD_SIGNATURE, f"{name} is of another record")
            return
        verify_checkpoint(given.note, audit.find_keys(claimed.size))
    except RecordRefused as problem:
        audit.add_problem(RECORD_BAD_SIGNATURE, f"{name}: {problem.message}")
        return
    if claimed.size > audit.size:
        what = f"{name} covers {claimed.size} entries, the record has {audit.size}"
        audit.add_problem(RECORD_TRUNCATED if is_own else RECORD_ROLLED_BACK, what)
    elif audit.roots.get(claimed.size) != claimed.root:
        audit.add_problem(RECORD_CHANGED, f"the first {claimed.size} entries are not those that {name} covers")
