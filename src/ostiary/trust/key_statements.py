"""What a key says about keys: "this one comes after me" and "believe me no more" (docs/formats/key-statements.md).

Both are DSSE envelopes of the type `application/vnd.ostiary.key+json`, so that neither can pass for a model's
signature. A rotation is signed by the old key and by the new one: nobody can be made heir of a key that is not his.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ostiary.core.limits import MAX_BUNDLE_VALUES, MAX_CLAIM_CHARACTERS, MAX_PEM_BYTES
from ostiary.core.text import is_invisible
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_BAD_SIGNATURE, TRUST_WRONG_SIGNER, TrustRefused
from ostiary.trust.dates import parse_moment, render_moment
from ostiary.trust.json_fields import (
    JsonObject,
    as_object,
    check_hex,
    check_keys,
    decode_base64,
    malformed,
    parse_object,
    take_constant,
    take_list,
    take_text,
)
from ostiary.trust.pae import build_pae
from ostiary.trust.public_key import PublicKey, parse_public_key
from ostiary.trust.signers import KeyHolder

PAYLOAD_TYPE: Final = "application/vnd.ostiary.key+json"
_FORMAT: Final = "ostiary.key/v1"
_ROTATION: Final = "rotation"
_REVOCATION: Final = "revocation"
_MAX_SIGNATURES: Final = 2


@dataclass(frozen=True, slots=True)
class Rotation:
    """The old key vouches for the new one."""

    old_key_id: str
    new_key: PublicKey
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key is to be believed no more, whatever it signed and whenever: nobody else vouches for the time."""

    key_id: str
    signer_id: str
    """The key that says so: the revoked one itself, or another that the reader must believe."""
    reason: str
    signed_at: datetime


def write_rotation(old: KeyHolder, new: KeyHolder, now: datetime) -> bytes:
    payload = _encode(
        {
            "format": _FORMAT,
            "statement": _ROTATION,
            "oldKey": old.public_key.key_id,
            "newKey": new.public_key.pem.decode("ascii"),
            "signedAt": render_moment(now),
        }
    )
    return _write_envelope(payload, (old, new))


def write_revocation(signer: KeyHolder, key_id: str, reason: str, now: datetime) -> bytes:
    payload = _encode(
        {
            "format": _FORMAT,
            "statement": _REVOCATION,
            "key": key_id,
            "signer": signer.public_key.key_id,
            "reason": reason,
            "signedAt": render_moment(now),
        }
    )
    data = _write_envelope(payload, (signer,))
    verify_revocation(data, (signer.public_key,))
    return data


def verify_rotation(data: bytes, old: PublicKey) -> Rotation:
    """The rotation in `data`, where the old key that the reader believes and the new one both signed it."""
    value, payload, signatures = _parse_envelope(data)
    where = "the rotation"
    check_keys(value, where, ("format", "statement", "oldKey", "newKey", "signedAt"))
    take_constant(value, "statement", where, _ROTATION)
    old_key_id = check_hex(take_text(value, "oldKey", where), "'oldKey'", 32)
    new = parse_public_key(take_text(value, "newKey", where).encode("utf-8"))
    signed_at = parse_moment(take_text(value, "signedAt", where), "'signedAt'")
    if old_key_id != old.key_id:
        raise TrustRefused(TRUST_WRONG_SIGNER, f"the rotation is from key {old_key_id[:16]}, not {old.key_id[:16]}")
    if new.key_id == old.key_id:
        raise malformed("the rotation leads from a key to itself")
    _verify(payload, signatures, old)
    _verify(payload, signatures, new)
    return Rotation(old_key_id, new, signed_at)


def verify_revocation(data: bytes, believed: Sequence[PublicKey]) -> Revocation:
    """The revocation in `data`, where one of the keys that the reader believes signed it."""
    value, payload, signatures = _parse_envelope(data)
    where = "the revocation"
    check_keys(value, where, ("format", "statement", "key", "signer", "reason", "signedAt"))
    take_constant(value, "statement", where, _REVOCATION)
    key_id = check_hex(take_text(value, "key", where), "'key'", 32)
    signer_id = check_hex(take_text(value, "signer", where), "'signer'", 32)
    reason = take_text(value, "reason", where)
    if len(reason) > MAX_CLAIM_CHARACTERS or any(is_invisible(character) for character in reason):
        raise malformed("the reason is not one line of plain text")
    signed_at = parse_moment(take_text(value, "signedAt", where), "'signedAt'")
    signer = next((key for key in believed if key.key_id == signer_id), None)
    if signer is None:
        raise TrustRefused(
            TRUST_WRONG_SIGNER, f"the revocation is by key {signer_id[:16]}, which is not known here"
        )
    _verify(payload, signatures, signer)
    return Revocation(key_id, signer_id, reason, signed_at)


def is_rotation(data: bytes) -> bool:
    """Which of the two it says it is; whether that is true is for the functions above."""
    value, _, _ = _parse_envelope(data)
    return value.get("statement") == _ROTATION


def _encode(value: JsonObject) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _write_envelope(payload: bytes, holders: Sequence[KeyHolder]) -> bytes:
    message = build_pae(PAYLOAD_TYPE, payload)
    value = {
        "payload": b64encode(payload).decode("ascii"),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": holder.public_key.key_id, "sig": b64encode(holder.sign_message(message)).decode("ascii")}
            for holder in holders
        ],
    }
    return json.dumps(value, sort_keys=True, indent=1).encode("ascii") + b"\n"


def _parse_envelope(data: bytes) -> tuple[JsonObject, bytes, dict[str, bytes]]:
    """The statement, its raw bytes, and key id to signature."""
    envelope = parse_object(data, "the key statement", 4 * MAX_PEM_BYTES, MAX_BUNDLE_VALUES)
    check_keys(envelope, "the envelope", ("payload", "payloadType", "signatures"))
    take_constant(envelope, "payloadType", "the envelope", PAYLOAD_TYPE)
    signatures: dict[str, bytes] = {}
    for entry in take_list(envelope, "signatures", "the envelope", _MAX_SIGNATURES):
        signature = as_object(entry, "a signature")
        check_keys(signature, "a signature", ("keyid", "sig"))
        key_id = take_text(signature, "keyid", "a signature")
        if key_id in signatures:
            raise malformed("a key signed twice")
        signatures[key_id] = decode_base64(take_text(signature, "sig", "a signature"), "a signature")
    payload = decode_base64(take_text(envelope, "payload", "the envelope"), "the payload")
    value = parse_object(payload, "the key statement", MAX_PEM_BYTES, MAX_BUNDLE_VALUES)
    take_constant(value, "format", "the key statement", _FORMAT)
    return value, payload, signatures


def _verify(payload: bytes, signatures: dict[str, bytes], key: PublicKey) -> None:
    signature = signatures.get(key.key_id)
    if signature is None:
        raise TrustRefused(TRUST_BAD_SIGNATURE, f"key {key.key_id[:16]} did not sign it")
    key.verify(signature, build_pae(PAYLOAD_TYPE, payload))
