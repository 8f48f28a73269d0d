"""Checkpoints (c2sp.org/tlog-checkpoint): a tree's origin, size and root, signed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import RECORD_BAD_SIGNATURE, RecordRefused
from ostiary.record.keys import Signer, has_algorithm, verify_signature
from ostiary.record.merkle import HASH_BYTES
from ostiary.record.note import (
    Algorithm,
    Note,
    NoteSignature,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_note,
    render_note,
)

_TIME_BYTES: Final = 8
_MAX_SIZE: Final = (1 << 63) - 1
_COSIGNED_LABEL: Final = b"subtree/v1\n\x00"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says: the record of this name had this many entries and this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose signatures by `keys` were verified."""

    checkpoint: Checkpoint
    keys: tuple[VerifierKey, ...]
    note: bytes


def parse_checkpoint_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise _refuse("the checkpoint does not follow the format")
    origin, size, root = lines[:3]
    if (
        not size.isascii()
        or not size.isdigit()
        or len(size) > 19
        or str(int(size)) != size
        or int(size) > _MAX_SIZE
    ):
        raise _refuse("the checkpoint's size is not a plain number")
    hashed = decode_base64(root)
    if len(hashed) != HASH_BYTES:
        raise _refuse("the checkpoint's root is not a SHA-256 hash")
    return Checkpoint(origin, int(size), hashed)


def parse_checkpoint(claimed: bytes) -> Checkpoint:
    """What an unverified checkpoint claims: enough to choose the keys to verify it with, no more."""
    return parse_checkpoint_text(parse_note(claimed).text)


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer], unix_seconds: int) -> bytes:
    """The note, signed by every signer."""
    signatures = []
    for signer in signers:
        key = signer.verifier
        time = b"" if key.algorithm is Algorithm.ED25519 else struct.pack(">Q", unix_seconds)
        blob = time + signer.sign(_signed_message(key, checkpoint, checkpoint.text, unix_seconds))
        signatures.append(NoteSignature(key.name, key.key_id, blob))
    return render_note(Note(checkpoint.text, tuple(signatures)))


def verify_checkpoint(claimed: bytes, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
    """Verifies a checkpoint against known keys.

    1. The note and its first three lines follow their formats.
    2. Of each algorithm in `keys` that this installation can compute, one key has signed: or striking out the
       stronger signature would be enough to fall back on the weaker.
    3. No signature of a known key is wrong; signatures of unknown keys are ignored, as C2SP asks.
    """
    note = parse_note(claimed)
    checkpoint = parse_checkpoint_text(note.text)
    wanted = {(key.name, key.key_id): key for key in keys if has_algorithm(key.algorithm)}
    verified = {}
    for signature in note.signatures:
        key = wanted.get((signature.name, signature.key_id))
        if key is None:
            continue
        raw, time = signature.blob, 0
        if key.algorithm is Algorithm.MLDSA44:
            if len(raw) <= _TIME_BYTES:
                raise _refuse("a signature is too short")
            time, raw = struct.unpack(">Q", raw[:_TIME_BYTES])[0], raw[_TIME_BYTES:]
        verify_signature(key, raw, _signed_message(key, checkpoint, note.text, time))
        verified[signature.name, signature.key_id] = key
    signed_with = {key.algorithm for key in verified.values()}
    missing = [key.key_id.hex() for key in wanted.values() if key.algorithm not in signed_with]
    if missing or not verified:
        which = " or ".join(missing) or "any known key"
        raise _refuse(f"the checkpoint of {quote_untrusted(checkpoint.origin)} is not signed by {which}")
    return SignedCheckpoint(checkpoint, tuple(verified.values()), claimed)


def _signed_message(key: VerifierKey, checkpoint: Checkpoint, text: str, unix_seconds: int) -> bytes:
    if key.algorithm is Algorithm.ED25519:
        return text.encode()
    # c2sp.org/tlog-cosignature, "ML-DSA-44 signed message"
    name, origin = key.name.encode(), checkpoint.origin.encode()
    if len(name) > 255 or len(origin) > 255:
        raise _refuse("a name in the checkpoint is too long for its signature")
    return b"".join(
        (
            _COSIGNED_LABEL,
            struct.pack(">B", len(name)),
            name,
            struct.pack(">Q", unix_seconds),
            struct.pack(">B", len(origin)),
            origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        )
    )


def _refuse(message: str) -> RecordRefused:
    return RecordRefused(RECORD_BAD_SIGNATURE, message)
