"""Reads one file once: its digest covers the very bytes that are handed to the parsers.

What is kept in memory is bounded: all of a small text file, the header of a weights file, the head and the tail of
the rest. The remainder only passes through the digest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ostiary.core.chunk_tree import ChunkTree, choose_chunk_bytes, compute_tree_root
from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_HEAD_BYTES, MAX_TAIL_BYTES
from ostiary.core.tickets import FileEntry, FileKind, JudgedParts
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.code.kinds import recognise_file
from ostiary.intake.hashing import ClaimedFile, DeferredFile
from ostiary.intake.keep import KeepBudget, measure_kept_bytes
from ostiary.intake.read_chunks import ChunkReader, LeafHasher
from ostiary.intake.rules import tree as rules
from ostiary.intake.tree import Tree, TreeFile, identity_of, tell_unreadable

if TYPE_CHECKING:
    from ostiary.intake.weights.read_npz import NpzArchive

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
    leaves: tuple[bytes, ...] = ()
    """Of its chunk tree, where one was asked for."""
    refusal: IntakeRefused | None = None
    """Why nothing of it is parsed; a digest it has nevertheless, for signatures to be held against."""

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def is_whole(self) -> bool:
        return len(self.kept) == self.entry.size


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """How one file is to be read, beside its path."""

    tree_from_bytes: int | None = None
    claimed: ClaimedFile | None = None
    """Read by these chunks, and take the digest as claimed."""
    threads: int = 1
    deferred: DeferredFile | None = None
    """If it is weights: read what is judged of it, and take the digest as claimed."""


READ_WHOLE: Final = ReadRequest()


def read_file(
    tree: Tree,
    file: TreeFile,
    budget: KeepBudget,
    advance: Callable[[int], None],
    request: ReadRequest = READ_WHOLE,
) -> ReadFile:
    """Read, recognise and digest `file`; `advance` hears of every chunk of bytes done.

    Raises an IntakeRefused where there are no bytes to give a digest of: it is another file by now, or changing.
    """
    descriptor = tree.open_file(file)
    try:
        return _read_descriptor(descriptor, file, budget, advance, request)
    except OSError as error:
        raise tell_unreadable(file.path, error) from error
    finally:
        os.close(descriptor)


def _read_descriptor(
    descriptor: int, file: TreeFile, budget: KeepBudget, advance: Callable[[int], None], request: ReadRequest
) -> ReadFile:
    kept = read_up_to(descriptor, min(file.size, MAX_HEAD_BYTES))
    kind = recognise_file(file.path, kept, file.size)
    wanted = measure_kept_bytes(kind, kept, file.size)
    refusal: IntakeRefused | None = None
    try:
        budget.take(max(wanted, len(kept)), file.path)
    except IntakeRefused as refused:
        refusal = refused
    if refusal is None and wanted > len(kept):
        kept += read_up_to(descriptor, wanted - len(kept))
    deferred = None if kind is not FileKind.SAFETENSORS or len(kept) < wanted else request.deferred
    if deferred is None or _contradicts(file.blob, deferred.sha256):
        hashed = _hash_rest(descriptor, file.size, kept, advance, request)
    else:
        hashed = _defer_rest(descriptor, file.size, kept, advance, deferred)
    archive = _read_archive(descriptor, file.size) if kind is FileKind.NPZ and refusal is None else None
    # Files that the kernel makes up say that they are empty and are not.
    is_longer = os.pread(descriptor, 1, file.size) != b""
    if not hashed.is_complete or is_longer or identity_of(os.fstat(descriptor)) != file.identity:
        raise refuse(rules.CHANGED, "it changed while it was read", path=file.path)
    sha256 = hashed.sha256
    if _contradicts(file.blob, sha256):
        refusal = refuse(rules.CACHE_DIGEST, f"its bytes have the digest {sha256}", path=file.path)
    entry = FileEntry(file.path, file.size, sha256, kind, hashed.proven_by, hashed.parts)
    if refusal is not None:
        return ReadFile(entry, b"", b"", None, refusal=refusal)
    return ReadFile(entry, kept, hashed.tail, archive, hashed.leaves)


def _contradicts(blob: str | None, sha256: str) -> bool:
    """Whether a hub cache names a file by another digest."""
    return blob is not None and len(blob) == _SHA256_HEX and blob != sha256


@dataclass(frozen=True, slots=True)
class _Hashed:
    sha256: str
    tail: bytes
    is_complete: bool
    leaves: tuple[bytes, ...] = ()
    proven_by: ChunkTree | None = None
    parts: JudgedParts | None = None


def _defer_rest(
    descriptor: int, size: int, kept: bytes, advance: Callable[[int], None], deferred: DeferredFile
) -> _Hashed:
    """Digest what is judged, so that who compares the rest can tell that it belongs to these parts."""
    tail_bytes = min(size, MAX_TAIL_BYTES)
    tail = b""
    while len(tail) < tail_bytes:
        piece = os.pread(descriptor, tail_bytes - len(tail), size - tail_bytes + len(tail))
        if not piece:
            break
        tail += piece
    parts = JudgedParts(
        head_bytes=len(kept),
        head_sha256=hashlib.sha256(kept).hexdigest(),
        tail_bytes=tail_bytes,
        tail_sha256=hashlib.sha256(tail).hexdigest(),
    )
    advance(size)
    return _Hashed(deferred.sha256, tail, len(tail) == tail_bytes, (), deferred.chunks, parts)


def _hash_rest(
    descriptor: int, size: int, kept: bytes, advance: Callable[[int], None], request: ReadRequest
) -> _Hashed:
    """Digest what was kept and then the rest, from end to end or, as a signature allows, chunk by chunk."""
    claimed = request.claimed
    if claimed is not None:
        chunks = ChunkReader(descriptor, size, kept, claimed.chunks.chunk_bytes, advance)
        leaves = chunks.read(request.threads)
        if ChunkTree(claimed.chunks.chunk_bytes, compute_tree_root(leaves).hex()) == claimed.chunks:
            return _Hashed(claimed.sha256, chunks.tail, not chunks.is_short, leaves, claimed.chunks)
        os.lseek(descriptor, len(kept), os.SEEK_SET)  # not what was claimed: it gets a digest of its own
    wants_tree = request.tree_from_bytes is not None and size >= request.tree_from_bytes
    leaf = LeafHasher(choose_chunk_bytes(size)) if wants_tree else None
    digest = hashlib.sha256(kept)
    if leaf is not None:
        leaf.update(kept)
    advance(len(kept))
    done = len(kept)
    tail = kept[-MAX_TAIL_BYTES:]
    view = memoryview(bytearray(min(_CHUNK_BYTES, max(size - done, 1))))
    while done < size:
        count = os.readv(descriptor, [view])
        if count == 0:
            break
        digest.update(view[:count])
        if leaf is not None:
            leaf.update(view[:count])
        done += count
        advance(count)
        if size - done < MAX_TAIL_BYTES:  # this chunk reaches into the tail
            tail = (tail + bytes(view[max(0, count - MAX_TAIL_BYTES) : count]))[-MAX_TAIL_BYTES:]
    return _Hashed(digest.hexdigest(), tail, done == size, () if leaf is None else leaf.finish())


def _read_archive(descriptor: int, size: int) -> NpzArchive | IntakeRefused:
    from ostiary.intake.weights.read_npz import parse_npz  # noqa: PLC0415  # few models hold one

    try:
        return parse_npz(lambda offset, length: os.pread(descriptor, length, offset), size)
    except IntakeRefused as refusal:
        return refusal


def read_up_to(descriptor: int, count: int) -> bytes:
    """`count` bytes, or fewer if the file has become shorter (the caller notices)."""
    pieces: list[bytes] = []
    while count > 0:
        piece = os.read(descriptor, min(count, _CHUNK_BYTES))
        if not piece:
            break
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
