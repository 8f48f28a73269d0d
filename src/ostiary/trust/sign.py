"""Signs a manifest: what is signed is exactly what intake read and accepted. Pure but for the key's holder."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.signature_files import EVIDENCE_FILES
from ostiary.core.tickets import Manifest
from ostiary.errors import TRUST_EXPIRED, TRUST_WRONG_SIGNER, TrustRefused
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.bundle import BUNDLE_TYPE, PAYLOAD_TYPE, parse_bundle
from ostiary.trust.certificates import check_signing_certificate
from ostiary.trust.evidence import SignedFile
from ostiary.trust.json_fields import JsonObject
from ostiary.trust.pae import build_pae
from ostiary.trust.paths import find_fault, refuse_path
from ostiary.trust.public_key import PublicKey
from ostiary.trust.signers import KeyHolder
from ostiary.trust.statement import write_statement
from ostiary.trust.verify import find_code_notes

_NO_CHUNKS: Mapping[str, ChunkTree] = {}


def sign_manifest(
    manifest: Manifest,
    holder: KeyHolder,
    claims: ModelClaims,
    *,
    chunks: Mapping[str, ChunkTree] = _NO_CHUNKS,
    certificates: Sequence[bytes] = (),
) -> bytes:
    """The bytes of a signature file. `claims` must say when; findings that carry code are added to it."""
    payload = write_payload(manifest, claims, chunks)
    if certificates:
        _check_certificates(certificates, holder.public_key, claims.signed_at)
    signature = holder.sign_message(build_pae(PAYLOAD_TYPE, payload))
    return write_bundle(payload, signature, holder.public_key, certificates)


def write_payload(manifest: Manifest, claims: ModelClaims, chunks: Mapping[str, ChunkTree] = _NO_CHUNKS) -> bytes:
    """The statement over a manifest, as the bytes that are signed."""
    for entry in manifest.files:
        fault = find_fault(entry.path)
        if fault is not None:
            raise refuse_path(entry.path, fault)
    signed_at, expires_at = claims.signed_at, claims.expires_at
    if signed_at is not None and expires_at is not None and expires_at <= signed_at + timedelta(minutes=1):
        raise TrustRefused(TRUST_EXPIRED, "the signature would have ended before anybody could check it")
    files = [SignedFile(entry.path, entry.sha256, chunks.get(entry.path)) for entry in manifest.files]
    complete = replace(claims, findings=find_code_notes(manifest))
    return write_statement(manifest.name, files, complete, sorted(EVIDENCE_FILES))


def write_bundle(payload: bytes, signature: bytes, key: PublicKey, certificates: Sequence[bytes] = ()) -> bytes:
    """The bundle around a signed statement, in one spelling: keys sorted, one line."""
    material: JsonObject = {"tlogEntries": []}
    if certificates:
        chain: list[JsonObject] = [{"rawBytes": _base64(der)} for der in certificates]
        material["x509CertificateChain"] = {"certificates": [*chain]}
    else:
        material["publicKey"] = {"hint": key.key_id}
    value = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": _base64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _base64(signature), "keyid": ""}],
        },
    }
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"
    parse_bundle(data)
    return data


def _check_certificates(certificates: Sequence[bytes], key: PublicKey, signed_at: datetime | None) -> None:
    """A signature that nobody could verify must not be made."""
    certified = check_signing_certificate(certificates[0], signed_at)
    if certified != key:
        raise TrustRefused(TRUST_WRONG_SIGNER, "the first certificate is not for the key that signs")


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
