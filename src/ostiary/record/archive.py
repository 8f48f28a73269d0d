"""Moves the oldest entries to a file, by age or by size. Their hashes stay, so every proof stays valid."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from ostiary.core.values import dataclass
from ostiary.errors import RECORD_UNWRITABLE, USAGE, Misuse, RecordUnwritable
from ostiary.record.archive_file import ArchiveHeader, write_archive
from ostiary.record.checkpoint import parse_checkpoint
from ostiary.record.connection import connect_to_read
from ostiary.record.durable import sync_directory
from ostiary.record.entry import spell_time
from ostiary.record.events import RecordArchived
from ostiary.record.log import Log
from ostiary.record.merkle import list_peaks, prove_consistency
from ostiary.record.place import ARCHIVE_DIRECTORY, DATABASE_FILE
from ostiary.record.reader import ArchiveRow, Reader
from ostiary.record.store import explain_os


@dataclass(frozen=True, slots=True)
class Archived:
    """Entries [first, end) are in this file now."""

    first: int
    end: int
    path: Path
    sha256: str


def archive_entries(
    log: Log,
    *,
    correlation_id: str,
    before: datetime | None = None,
    keep_bytes: int | None = None,
    directory: Path | None = None,
) -> Archived | None:
    """Archives what is older than `before`, or the oldest so that the rest takes `keep_bytes`; None: nothing to.

    1. A checkpoint over everything is signed, and the archive file is written from a snapshot, whole and durable.
    2. In one transaction an entry says so and the bytes leave. Killed in between, a file is left over and nothing
       else; the next run replaces it.
    """
    if (before is None) == (keep_bytes is None):
        raise Misuse(USAGE, "give either an age or a size to archive by")
    checkpoint = log.sign_checkpoint()
    size = parse_checkpoint(checkpoint).size
    target = log.record / ARCHIVE_DIRECTORY if directory is None else directory
    with Reader(connect_to_read(log.record / DATABASE_FILE)) as reader, reader.snapshot():
        first = max((row.end for row in reader.read_archives()), default=0)
        if before is None:
            end = min(reader.find_room(first, keep_bytes or 0), size)
        else:
            end = min(reader.find_time(first, spell_time(before)), size)
        if end <= first:
            return None
        try:
            path, digest = _write_file(reader, target, first, end, checkpoint)
        except OSError as error:
            raise explain_os(error, "writing the archive") from error
    with log.change() as store:
        if max((row.end for row in store.reader.read_archives()), default=0) != first:
            raise RecordUnwritable(RECORD_UNWRITABLE, "another program archived at the same time")
        said = RecordArchived(first=first, end=end, file=path.name, sha256=digest, correlation_id=correlation_id)
        store.add_archive(ArchiveRow(first, end, path.name, digest, log.place(said)))
    log.give_back_room()
    return Archived(first, end, path, digest)


def _write_file(reader: Reader, directory: Path, first: int, end: int, checkpoint: bytes) -> tuple[Path, str]:
    parsed = parse_checkpoint(checkpoint)
    peaks = tuple(reader.read_node(level, index) for level, index in list_peaks(0, first))
    header = ArchiveHeader(parsed.origin, first, end, peaks)
    proof = prove_consistency(reader.read_node, end, parsed.size)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"record-{parsed.origin.rpartition('/')[2]}-{first:012d}-{end:012d}.jsonl"
    prepared = path.with_suffix(".new")
    prepared.unlink(missing_ok=True)
    try:
        descriptor = os.open(prepared, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            bodies = (body for _, body in reader.read_bodies(first, end))
            digest = write_archive(file, header, bodies, proof, checkpoint)
            file.flush()
            os.fsync(file.fileno())
        prepared.replace(path)
    except BaseException:
        prepared.unlink(missing_ok=True)
        raise
    sync_directory(directory)
    return path, digest
