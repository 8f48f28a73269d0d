"""Reads one file once: its digest covers the very bytes that are handed to the parsers.

What is kept in memory is bounded: all of a small text file, the header of a weights file, the head and the tail of
the rest. The remainder only passes through the digest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_HEAD_BYTES, MAX_TAIL_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, FileKind
from ostiary.errors import INTAKE_UNREADABLE, IntakeRefused, SourceUnreadable
from ostiary.intake.code.kinds import recognise_file
from ostiary.intake.keep import KeepBudget, measure_kept_bytes
from ostiary.intake.rules import tree as rules
from ostiary.intake.tree import Tree, TreeFile, identity_of
from ostiary.intake.weights.read_npz import NpzArchive, parse_npz

_CHUNK_BYTES: Final = 1 << 20  # large enough that the digest, not the interpreter, sets the pace
_SHA256_HEX: Final = 64


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file after its one reading. `kept` is its beginning (all of it where `is_whole`), `tail` its end."""

    entry: FileEntry
    kept: bytes
    tail: bytes
    archive: NpzArchive | IntakeRefused | None
    """Of an npz: its members are scattered, so they are read while the file is open."""

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def is_whole(self) -> bool:
        return len(self.kept) == self.entry.size


def read_file(tree: Tree, file: TreeFile, budget: KeepBudget, advance: Callable[[int], None]) -> ReadFile:
    """Read, recognise and digest `file`; `advance` hears of every chunk of bytes done."""
    descriptor = tree.open_file(file)
    try:
        return _read_descriptor(descriptor, file, budget, advance)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "input/output error"
        message = f"{quote_untrusted(file.path)} cannot be read: {reason}"
        raise SourceUnreadable(INTAKE_UNREADABLE, message) from error
    finally:
        os.close(descriptor)


def _read_descriptor(
    descriptor: int, file: TreeFile, budget: KeepBudget, advance: Callable[[int], None]
) -> ReadFile:
    kept = _read_up_to(descriptor, min(file.size, MAX_HEAD_BYTES))
    kind = recognise_file(file.path, kept, file.size)
    wanted = measure_kept_bytes(kind, kept, file.size)
    budget.take(max(wanted, len(kept)), file.path)
    if wanted > len(kept):
        kept += _read_up_to(descriptor, wanted - len(kept))
    digest = hashlib.sha256(kept)
    advance(len(kept))
    done = len(kept)
    tail = kept[-MAX_TAIL_BYTES:]
    view = memoryview(bytearray(min(_CHUNK_BYTES, max(file.size - done, 1))))
    while done < file.size:
        count = os.readv(descriptor, [view])
        if count == 0:
            break
        digest.update(view[:count])
        done += count
        advance(count)
        if file.size - done < MAX_TAIL_BYTES:  # this chunk reaches into the tail
            tail = (tail + bytes(view[max(0, count - MAX_TAIL_BYTES) : count]))[-MAX_TAIL_BYTES:]
    archive = _read_archive(descriptor, file.size) if kind is FileKind.NPZ else None
    # Files that the kernel makes up say that they are empty and are not.
    is_longer = done == file.size and os.read(descriptor, 1) != b""
    if done != file.size or is_longer or identity_of(os.fstat(descriptor)) != file.identity:
        raise refuse(rules.CHANGED, "it changed while it was read", path=file.path)
    sha256 = digest.hexdigest()
    if file.blob is not None and len(file.blob) == _SHA256_HEX and file.blob != sha256:
        raise refuse(rules.CACHE_DIGEST, f"its bytes have the digest {sha256}", path=file.path)
    return ReadFile(FileEntry(file.path, file.size, sha256, kind), kept, tail, archive)


def _read_archive(descriptor: int, size: int) -> NpzArchive | IntakeRefused:
    try:
        return parse_npz(lambda offset, length: os.pread(descriptor, length, offset), size)
    except IntakeRefused as refusal:
        return refusal


def _read_up_to(descriptor: int, count: int) -> bytes:
    """`count` bytes, or fewer if the file has become shorter (the caller notices)."""
    pieces: list[bytes] = []
    while count > 0:
        piece = os.read(descriptor, min(count, _CHUNK_BYTES))
        if not piece:
            break
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
