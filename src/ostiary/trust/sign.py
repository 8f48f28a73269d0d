"""Signs a manifest: what is signed is exactly what intake read and accepted. Pure but for the key's holder."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.signature_files import EVIDENCE_FILES, name_beside
from ostiary.core.tickets import Manifest
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_EXPIRED, TRUST_WRONG_SIGNER, TrustRefused
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.bundle import BUNDLE_TYPE, PAYLOAD_TYPE, Bundle, parse_bundle
from ostiary.trust.certificates import check_signing_certificate, parse_certificate, read_identity
from ostiary.trust.evidence import SignedFile, Signer, SignerMethod
from ostiary.trust.json_fields import JsonObject
from ostiary.trust.pae import build_pae
from ostiary.trust.paths import SINGLE_FILE, find_fault, refuse_path
from ostiary.trust.public_key import PublicKey
from ostiary.trust.signers import KeyHolder
from ostiary.trust.statement import write_statement
from ostiary.trust.verify import find_code_notes


@dataclass(frozen=True, slots=True)
class MadeSignature:
    """The bytes of a signature file, and who is in it."""

    data: bytes
    signer: Signer


_NO_CHUNKS: Mapping[str, ChunkTree] = {}


class SigningSession(Protocol):
    """Somebody who is about to sign, with a key or without one of his own."""

    def is_own(self, bundle: Bundle) -> bool:
        """Whether an earlier signature is by the same one, as far as it says so itself."""

    def sign_payload(self, payload: bytes) -> MadeSignature:
        """The signature over a statement."""


@dataclass(frozen=True, slots=True)
class KeySession:
    """Somebody who holds a key, perhaps with certificates for it: the key's own first, the root left out."""

    holder: KeyHolder
    signed_at: datetime | None
    certificates: Sequence[bytes] = ()

    def is_own(self, bundle: Bundle) -> bool:
        if bundle.hint == self.holder.public_key.key_id:
            return True
        return bool(self.certificates) and bundle.certificates[:1] == tuple(self.certificates[:1])

    def sign_payload(self, payload: bytes) -> MadeSignature:
        key = self.holder.public_key
        signer = Signer(SignerMethod.KEY, key.key_id)
        if self.certificates:
            _check_certificates(self.certificates, key, self.signed_at)
            identity = read_identity(parse_certificate(self.certificates[0]))
            signer = Signer(SignerMethod.CERTIFICATE, key.key_id, identity)
        signature = self.holder.sign_message(build_pae(PAYLOAD_TYPE, payload))
        return MadeSignature(write_bundle(payload, signature, key, self.certificates), signer)


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
    return KeySession(holder, claims.signed_at, certificates).sign_payload(payload).data


def write_payload(
    manifest: Manifest,
    claims: ModelClaims,
    chunks: Mapping[str, ChunkTree] = _NO_CHUNKS,
    *,
    for_reference: bool = False,
) -> bytes:
    """The statement over a manifest, as the bytes that are signed.

    Of a model that is one file, `for_reference` writes the name under which the reference looks for it; the
    specification wants the file's own (docs/adr/0023-single-files.md).
    """
    for entry in manifest.files:
        fault = find_fault(entry.path)
        if fault is not None:
            raise refuse_path(entry.path, fault)
    signed_at, expires_at = claims.signed_at, claims.expires_at
    if signed_at is not None and expires_at is not None and expires_at <= signed_at + timedelta(minutes=1):
        raise TrustRefused(TRUST_EXPIRED, "the signature would have ended before anybody could check it")
    ignored = set(EVIDENCE_FILES)
    files = [SignedFile(entry.path, entry.sha256, chunks.get(entry.path)) for entry in manifest.files]
    if [file.path for file in files] == [manifest.name]:  # others see it as a directory of it and its signature
        ignored.add(name_beside(manifest.name))
        if for_reference:
            files = [replace(files[0], path=SINGLE_FILE)]
    complete = replace(claims, findings=find_code_notes(manifest))
    return write_statement(manifest.name, files, complete, sorted(ignored))


def write_bundle(payload: bytes, signature: bytes, key: PublicKey, certificates: Sequence[bytes] = ()) -> bytes:
    """The bundle around a signed statement, in one spelling: keys sorted, one line."""
    material: JsonObject = {"tlogEntries": []}
    if certificates:
        chain: list[JsonObject] = [{"rawBytes": _base64(der)} for der in certificates]
        material["x509CertificateChain"] = {"certificates": [*chain]}
    else:
        material["publicKey"] = {"hint": key.key_id}
    return render_bundle(material, build_envelope(payload, signature))


def build_envelope(payload: bytes, signature: bytes) -> JsonObject:
    """The DSSE envelope around a signed statement."""
    return {
        "payload": _base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": _base64(signature), "keyid": ""}],
    }


def render_bundle(material: JsonObject, envelope: JsonObject) -> bytes:
    """The bytes of a signature file. What comes out can be read back, or it does not come out."""
    value = {"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
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
