"""Signed statements for tests: honest by default, each test bends the one thing it is about. Keys nobody should use."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ostiary.core.digests import compute_root
from ostiary.core.tickets import FileEntry, FileKind, Manifest, ModelFacts
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.evidence import Evidence
from ostiary.trust.material import TrustMaterial
from ostiary.trust.pae import build_pae
from ostiary.trust.private_key import PrivateKey
from ostiary.trust.public_key import wrap_public_key
from ostiary.trust.sign import sign_manifest, write_bundle, write_payload
from ostiary.trust.signers import FileHolder
from ostiary.trust.verify import SignatureFile, UnsafeAllowances, verify_manifest

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FILES = {"config.json": b"{}", "model.safetensors": b"weights", "sub/tokenizer.json": b"tokens"}
CLAIMS = ModelClaims(model_id="acme/llama", model_version="1.2", signed_at=NOW)
FACTS = ModelFacts("safetensors", None, None, None, None, None, None, None, (), 0, None, None, False)

Bend = Callable[[dict[str, Any]], object]


@cache
def make_key(number: int = 1, curve: str = "P-256") -> PrivateKey:
    curves: dict[str, ec.EllipticCurve] = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
    }
    native = ec.derive_private_key(1_000 + number, curves[curve])
    return PrivateKey(wrap_public_key(native.public_key()), False, native)


ALICE = FileHolder(make_key(1))
BOB = FileHolder(make_key(2))
MALLORY = FileHolder(make_key(666))


def make_manifest(files: Mapping[str, bytes] = FILES, name: str = "llama") -> Manifest:
    entries = tuple(
        FileEntry(path, len(data), hashlib.sha256(data).hexdigest(), FileKind.UNKNOWN)
        for path, data in sorted(files.items())
    )
    return Manifest(name, entries, compute_root(entry.sha256 for entry in entries), FACTS, ())


def sign(
    manifest: Manifest | None = None,
    holder: FileHolder = ALICE,
    claims: ModelClaims = CLAIMS,
    name: str = "model.sig",
) -> SignatureFile:
    return SignatureFile(name, sign_manifest(manifest or make_manifest(), holder, claims))


def bend_statement(bend: Bend, holder: FileHolder = ALICE, manifest: Manifest | None = None) -> SignatureFile:
    """A right signature by `holder` over a statement that is bent."""
    value = json.loads(write_payload(manifest or make_manifest(), CLAIMS))
    bend(value)
    return sign_payload(json.dumps(value).encode(), holder)


def sign_payload(payload: bytes, holder: FileHolder = ALICE) -> SignatureFile:
    """Any bytes at all as payload, rightly signed."""
    value = json.loads(sign().data)
    signature = holder.sign_message(build_pae("application/vnd.in-toto+json", payload))
    value["dsseEnvelope"]["payload"] = b64encode(payload).decode()
    value["dsseEnvelope"]["signatures"][0]["sig"] = b64encode(signature).decode()
    value["verificationMaterial"]["publicKey"]["hint"] = holder.public_key.key_id
    return SignatureFile("model.sig", json.dumps(value).encode())


def bend_bundle(bend: Bend, file: SignatureFile | None = None) -> SignatureFile:
    value = json.loads((file or sign()).data)
    bend(value)
    return SignatureFile("model.sig", json.dumps(value).encode())


def read_payload(file: SignatureFile) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(b64decode(json.loads(file.data)["dsseEnvelope"]["payload"]))
    return value


def resources(value: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = value["predicate"]["resources"]
    return found


def set_root(value: dict[str, Any]) -> None:
    """The root that follows from the bent list, as a signer of it would have written."""
    value["subject"][0]["digest"]["sha256"] = compute_root(r["digest"] for r in resources(value))


def verify(
    *signatures: SignatureFile,
    manifest: Manifest | None = None,
    keys: tuple[FileHolder, ...] = (ALICE,),
    roots: tuple[bytes, ...] = (),
    now: datetime = NOW,
    allowances: UnsafeAllowances | None = None,
) -> Evidence:
    material = TrustMaterial(keys=[holder.public_key for holder in keys], roots_der=roots)
    return verify_manifest(
        manifest or make_manifest(), signatures, material, now, allowances=allowances or UnsafeAllowances()
    )


class Authority:
    """A small certificate authority, which can be asked for anything."""

    def __init__(self, number: int = 50, name: str = "root", above: Authority | None = None, **bent: Any) -> None:
        self.native = ec.derive_private_key(2_000 + number, ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (above or self).issue(
            self.native.public_key(),
            self.name,
            is_authority=bent.pop("is_authority", True),
            purposes=bent.pop("purposes", None),
            usage=bent.pop("usage", "key_cert_sign"),
            san=None,
            **bent,
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def issue(
        self,
        key: ec.EllipticCurvePublicKey,
        subject: x509.Name | None = None,
        *,
        san: str | None = "release@acme.example",
        begins: datetime = NOW - DAY,
        ends: datetime = NOW + 365 * DAY,
        is_authority: bool = False,
        path_length: int | None = None,
        usage: str | None = "digital_signature",
        purposes: list[x509.ObjectIdentifier] | None = None,
        critical: str | None = None,
    ) -> x509.Certificate:
        subject = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(7)
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(
                x509.BasicConstraints(is_authority, path_length if is_authority else None), critical=True
            )
        )
        if usage is not None:
            names = (
                "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
                "key_cert_sign crl_sign encipher_only decipher_only"
            ).split()
            builder = builder.add_extension(x509.KeyUsage(**{n: n == usage for n in names}), critical=True)
        if purposes is None and not is_authority:
            purposes = [ExtendedKeyUsageOID.CODE_SIGNING]
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if san is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(san)]), critical=False)
        if critical is not None:
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(critical), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        return builder.sign(self.native, hashes.SHA256())

    def sign_as(
        self, holder: FileHolder = ALICE, *between: Authority, manifest: Manifest | None = None, **bent: Any
    ) -> SignatureFile:
        """A signature with a certificate of this authority, without our own checks on what we sign with."""
        leaf = self.issue(holder.public_key.native, **bent).public_bytes(Encoding.DER)
        payload = write_payload(manifest or make_manifest(), CLAIMS)
        signature = holder.sign_message(build_pae("application/vnd.in-toto+json", payload))
        chain = [leaf, *(authority.der for authority in between)]
        return SignatureFile("model.sig", write_bundle(payload, signature, holder.public_key, chain))
