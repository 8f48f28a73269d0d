"""Certificates for tests: authorities, servers and clients, good and bad."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def render_key(self, password: bytes | None = None) -> bytes:
        how = NoEncryption() if password is None else BestAvailableEncryption(password)
        rendered: bytes = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
        return rendered

    def write(self, certificate: Path, key: Path, *above: Made) -> None:
        certificate.write_bytes(b"".join(one.pem for one in (self, *above)))
        key.write_bytes(self.render_key())
        key.chmod(0o600)


def make_certificate(
    name: str,
    issuer: Made | None = None,
    *,
    hosts: Sequence[str] = (),
    uris: Sequence[str] = (),
    emails: Sequence[str] = (),
    usage: x509.ObjectIdentifier | None = SERVER,
    is_authority: bool = False,
    begins: datetime.timedelta = -DAY,
    ends: datetime.timedelta = 90 * DAY,
    key: Any = None,
    organization: str | None = None,
) -> Made:
    """Issued by itself where there is no `issuer`. `begins` and `ends`: from now."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    key = key or ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    subject = x509.Name(parts)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if is_authority:
        signs = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(signs, critical=True)
    if issuer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(above, critical=False)
    names: list[x509.GeneralName] = [
        *(x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in hosts),
        *(x509.UniformResourceIdentifier(one) for one in uris),
        *(x509.RFC822Name(one) for one in emails),
    ]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage is not None and not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Made(builder.sign(key if issuer is None else issuer.key, hashes.SHA256()), key)


def make_authority(name: str = "Test authority") -> Made:
    return _make_authority(name)


@cache
def _make_authority(name: str) -> Made:
    return make_certificate(name, is_authority=True)


@cache
def make_server(authority: str = "Test authority") -> Made:
    return make_certificate("server", make_authority(authority), hosts=("127.0.0.1", "localhost"))


@cache
def make_client(name: str = "app", authority: str = "Test authority") -> Made:
    return make_certificate(name, make_authority(authority), hosts=(f"{name}.example",), usage=CLIENT)


@cache
def make_weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 1_024)  # noqa: S505  which is what is refused


def trust(authority: Made | None = None, client: Made | None = None, place: Path | None = None) -> ssl.SSLContext:
    """What a client uses; `place`: where its own certificate may be written for a moment."""
    context = ssl.create_default_context(cadata=(authority or make_authority()).pem.decode())
    if client is not None:
        assert place is not None
        certificate, key = place / "client.pem", place / "client.key"
        client.write(certificate, key)
        context.load_cert_chain(certificate, key)
    return context
