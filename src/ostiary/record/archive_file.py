"""The archive file: entries that left the record, and what proves that they were in it (docs/formats/record.md).

One header line, the entries one a line, an empty line, the consistency proof from the archive's end to the size of
a checkpoint (one base64 hash a line), an empty line, that checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from ostiary.core.limits import MAX_CHECKPOINT_BYTES, MAX_ENTRY_BYTES
from ostiary.core.values import dataclass
from ostiary.errors import RECORD_BAD_PROOF, RECORD_CORRUPT, RECORD_REORDERED, RecordDamaged, RecordRefused
from ostiary.record.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from ostiary.record.entry import parse_entry
from ostiary.record.merkle import HASH_BYTES, add_leaf, hash_leaf, root_of_peaks, verify_consistency
from ostiary.record.note import VerifierKey, decode_base64, encode_base64

FORMAT_NAME: Final = "ostiary.record/1"
_MAX_PEAKS: Final = 63
_HEADER_NAMES: Final = {"archive", "end", "first", "origin", "peaks"}


@dataclass(frozen=True, slots=True)
class ArchiveHeader:
    """What the first line says: which entries, of which record, and the tree before them."""

    origin: str
    first: int
    end: int
    peaks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VerifiedArchive:
    """Evidence: these entries, in this order, are in the tree of this checkpoint."""

    header: ArchiveHeader
    checkpoint: Checkpoint
    sha256: str


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


def write_archive(
    sink: _Sink, header: ArchiveHeader, bodies: Iterable[bytes], proof: Sequence[bytes], checkpoint: bytes
) -> str:
    """Writes the whole file; returns its SHA-256."""
    digest = sha256()

    def put(line: bytes) -> None:
        digest.update(line)
        sink.write(line)

    fields = {
        "archive": FORMAT_NAME,
        "end": header.end,
        "first": header.first,
        "origin": header.origin,
        "peaks": [encode_base64(peak) for peak in header.peaks],
    }
    put(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for body in bodies:
        put(body + b"\n")
    put(b"\n")
    for sibling in proof:
        put(encode_base64(sibling).encode() + b"\n")
    put(b"\n" + checkpoint)
    return digest.hexdigest()


def verify_archive_file(path: Path, keys: Sequence[VerifierKey] | None) -> VerifiedArchive:
    """Verifies a file by itself, line by line.

    1. Every entry is spelled right and has the next number.
    2. The tree of the header's peaks and these entries is the beginning of the checkpoint's tree.
    3. The checkpoint is signed by `keys`; None leaves that to a caller who knows the file's digest.
    """
    try:
        with path.open("rb") as file:
            return _verify_lines(file, keys)
    except OSError as error:
        raise RecordDamaged(RECORD_CORRUPT, "an archive file cannot be read") from error


def _verify_lines(file: BinaryIO, keys: Sequence[VerifierKey] | None) -> VerifiedArchive:
    digest = sha256()
    lines = _read_lines(file, digest.update)
    header = _parse_header(next(lines, b""))
    peaks = list(header.peaks)
    for index in range(header.first, header.end):
        body = next(lines, b"")
        if parse_entry(body, index).index != index:
            raise RecordRefused(RECORD_REORDERED, f"at number {index} stands another entry")
        add_leaf(peaks, index, hash_leaf(body))
    if next(lines, None) != b"":
        raise _refuse("the archive has more entries than it says")
    proof = []
    while line := next(lines, b""):
        proof.append(decode_base64(line.decode("ascii", "replace")))
        if len(proof) > _MAX_PEAKS + 1:
            raise _refuse("the archive's proof is longer than any")
    note = file.read(MAX_CHECKPOINT_BYTES + 1)
    digest.update(note)
    checkpoint = parse_checkpoint(note) if keys is None else verify_checkpoint(note, keys).checkpoint
    if checkpoint.origin != header.origin:
        raise _refuse("the archive's checkpoint is of another record")
    verify_consistency(header.end, checkpoint.size, root_of_peaks(peaks), checkpoint.root, proof)
    return VerifiedArchive(header, checkpoint, digest.hexdigest())


def _read_lines(file: BinaryIO, see: _See) -> Iterator[bytes]:
    while line := file.readline(MAX_ENTRY_BYTES + 1):
        see(line)
        if not line.endswith(b"\n"):
            raise _refuse("the archive has a line that is too long, or ends within one")
        yield line[:-1]


class _See(Protocol):
    def __call__(self, data: bytes, /) -> None: ...


def _parse_header(line: bytes) -> ArchiveHeader:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refuse("the archive has no header") from error
    if not isinstance(fields, dict) or set(fields) != _HEADER_NAMES or fields["archive"] != FORMAT_NAME:
        raise _refuse("the archive has no header")
    first, end, origin, listed = fields["first"], fields["end"], fields["origin"], fields["peaks"]
    if (
        not isinstance(first, int)
        or not isinstance(end, int)
        or not isinstance(origin, str)
        or not isinstance(listed, list)
        or not 0 <= first < end < 1 << _MAX_PEAKS
        or not all(isinstance(peak, str) for peak in listed)
        or len(listed) != first.bit_count()
    ):
        raise _refuse("the archive's header makes no sense")
    peaks = tuple(decode_base64(peak) for peak in listed)
    if any(len(peak) != HASH_BYTES for peak in peaks):
        raise _refuse("the archive's header makes no sense")
    return ArchiveHeader(origin, first, end, peaks)


def _refuse(message: str) -> RecordRefused:
    return RecordRefused(RECORD_BAD_PROOF, message)
