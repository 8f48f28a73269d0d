"""Signed notes (c2sp.org/signed-note): text, a blank line, signature lines. Format only; no signing, no trust."""

from __future__ import annotations

import base64
import binascii
from enum import IntEnum
from hashlib import sha256
from typing import Final

from ostiary.core.limits import MAX_CHECKPOINT_BYTES
from ostiary.core.values import dataclass
from ostiary.errors import RECORD_BAD_SIGNATURE, RecordRefused

_MARK: Final = "— "  # em dash, space
_KEY_ID_BYTES: Final = 4
_MIN_VERIFIER_PARTS: Final = 3


class Algorithm(IntEnum):
    """The signature types in use here, by their C2SP identifier byte."""

    ED25519 = 0x01
    MLDSA44 = 0x06
    """A tlog-cosignature: it covers origin, size and root, and a time."""


PUBLIC_KEY_BYTES: Final = {Algorithm.ED25519: 32, Algorithm.MLDSA44: 1312}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under."""

    name: str
    algorithm: Algorithm
    public: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(f"{self.name}\n".encode() + bytes((self.algorithm,)) + self.public).digest()[:_KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The C2SP verifier key: name, key id and key on one line without spaces."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes((self.algorithm,)) + self.public)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, unverified."""

    name: str
    key_id: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. Nothing in it may be believed before a signature of a known key was verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


def parse_note(claimed: bytes) -> Note:
    """Reads the format strictly; refuses what is not exactly a signed note."""
    if len(claimed) > MAX_CHECKPOINT_BYTES:
        raise _refuse("the note is larger than any checkpoint")
    try:
        text = claimed.decode()
    except UnicodeDecodeError as error:
        raise _refuse("the note is not UTF-8") from error
    if any(ord(character) < 0x20 and character != "\n" for character in text):
        raise _refuse("the note contains control characters")
    body, blank, signature_lines = text.rpartition("\n\n")
    if not blank or not body or not signature_lines.endswith("\n"):
        raise _refuse("the note has no signatures")
    signatures = tuple(_parse_signature(line) for line in signature_lines[:-1].split("\n"))
    return Note(f"{body}\n", signatures)


def _parse_signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space or not is_key_name(name):
        raise _refuse("a signature line does not follow the format")
    blob = decode_base64(encoded)
    if len(blob) <= _KEY_ID_BYTES:
        raise _refuse("a signature is too short")
    return NoteSignature(name, blob[:_KEY_ID_BYTES], blob[_KEY_ID_BYTES:])


def render_note(note: Note) -> bytes:
    lines = "".join(
        f"{_MARK}{signature.name} {encode_base64(signature.key_id + signature.blob)}\n"
        for signature in note.signatures
    )
    return f"{note.text}\n{lines}".encode()


def parse_verifier_key(text: str) -> VerifierKey:
    """Reads the C2SP encoding and checks that the key id is the key's own."""
    parts = text.strip().split("+", 2)
    if len(parts) != _MIN_VERIFIER_PARTS or not is_key_name(parts[0]):
        raise _refuse("the verifier key does not follow the format")
    name, key_id, encoded = parts
    material = decode_base64(encoded)
    try:
        algorithm = Algorithm(material[0])
    except (ValueError, IndexError) as error:
        raise _refuse("the verifier key has an unknown type") from error
    if len(material) != 1 + PUBLIC_KEY_BYTES[algorithm]:
        raise _refuse("the verifier key has the wrong length")
    key = VerifierKey(name, algorithm, material[1:])
    if key.key_id.hex() != key_id:
        raise _refuse("the verifier key was mistyped: its id does not match it")
    return key


def is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 0x20 for c in name)


def encode_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def decode_base64(text: str) -> bytes:
    """RFC 4648 section 4 in its one canonical spelling, so that no signed text has two."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refuse("a value is not base64") from error
    if encode_base64(raw) != text:
        raise _refuse("a value is not canonical base64")
    return raw


def _refuse(message: str) -> RecordRefused:
    return RecordRefused(RECORD_BAD_SIGNATURE, message)
