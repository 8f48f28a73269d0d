"""The certificate authority: short-lived certificates with a promise of a certificate log in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
ISSUER_OF_OLD = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
PROMISES = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
MINUTES = timedelta(minutes=1)

Bend = Callable[[dict[str, object]], object]


def make_native(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(5_000 + number, ec.SECP256R1())


def render_spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


class CertificateAuthority:
    """Issues what it is told to; `bend` changes the facts of the next certificates."""

    def __init__(self, number: int = 1) -> None:
        self.key = make_native(number)
        self.log_key = make_native(number + 50)
        self.name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "acme.example"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"authority {number}"),
            ]
        )
        now = datetime.now(UTC).replace(microsecond=0)
        self.begins, self.ends = now - timedelta(days=1), now + timedelta(days=30)
        public = self.key.public_key()
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(number)
            .not_valid_before(self.begins)
            .not_valid_after(self.ends)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.bend: Bend = lambda _facts: None

    def issue(self, key: ec.EllipticCurvePublicKey, identity: str, issuer: str) -> list[str]:
        """The chain as PEM texts, the new certificate first."""
        now = datetime.now(UTC).replace(microsecond=0)
        facts: dict[str, object] = {
            "key": key,
            "identity": identity,
            "issuer": issuer,
            "begins": now,
            "ends": now + 10 * MINUTES,
            "purpose": ExtendedKeyUsageOID.CODE_SIGNING,
            "log_key": self.log_key,
        }
        self.bend(facts)
        return [_render(self._sign(facts)), _render(self.certificate)]

    def _sign(self, facts: dict[str, object]) -> x509.Certificate:
        identity = str(facts["identity"])
        is_address = "@" in identity and "://" not in identity
        name: x509.GeneralName = (
            x509.RFC822Name(identity) if is_address else x509.UniformResourceIdentifier(identity)
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.name)
            .public_key(facts["key"])  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(facts["begins"])  # type: ignore[arg-type]
            .not_valid_after(facts["ends"])  # type: ignore[arg-type]
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([facts["purpose"]]), critical=False)  # type: ignore[list-item]
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(facts["key"]),  # type: ignore[arg-type]
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER_OF_OLD, str(facts["issuer"]).encode()), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(ISSUER, der(0x0C, str(facts["issuer"]).encode())), critical=False
            )
        )
        if facts["log_key"] is None:
            return builder.sign(self.key, hashes.SHA256())
        # What the log promises to keep is the certificate without this last extension (RFC 6962, 3.2).
        promised = builder.sign(self.key, hashes.SHA256()).tbs_certificate_bytes
        promise = self._promise(promised, facts["log_key"])  # type: ignore[arg-type]
        return builder.add_extension(x509.UnrecognizedExtension(PROMISES, promise), critical=False).sign(
            self.key, hashes.SHA256()
        )

    def _promise(self, tbs: bytes, log_key: ec.EllipticCurvePrivateKey) -> bytes:
        millis = int(datetime.now(UTC).timestamp() * 1000)
        issuer_hash = hashlib.sha256(render_spki(self.key.public_key())).digest()
        entry = issuer_hash + len(tbs).to_bytes(3, "big") + tbs
        signed = b"\x00\x00" + millis.to_bytes(8, "big") + b"\x00\x01" + entry + b"\x00\x00"
        signature = log_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        log_id = hashlib.sha256(render_spki(log_key.public_key())).digest()
        promise = b"\x00" + log_id + millis.to_bytes(8, "big") + b"\x00\x00" + b"\x04\x03" + _with_length(signature)
        return der(0x04, _with_length(_with_length(promise)))


def _with_length(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _usage(*wanted: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: name in wanted for name in names})


def _render(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
