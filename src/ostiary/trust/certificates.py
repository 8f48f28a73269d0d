"""Certificate chains of signers: from the signer's own to a root that an operator named, at one moment. Pure.

RFC 5280, section 6, cut down to what signing needs and stricter where that costs nobody: every link is checked by
name and by signature, an unknown critical extension refuses, name constraints are not understood and so refuse.
The signer's certificate must say both that its key makes signatures and that it signs code: one that was issued for
TLS does not sign models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    TRUST_EXPIRED,
    TRUST_MALFORMED,
    TRUST_NOT_YET_VALID,
    TRUST_UNSUPPORTED,
    TRUST_WRONG_SIGNER,
    TrustRefused,
)
from ostiary.trust.dates import render_moment
from ostiary.trust.evidence import Signer, SignerMethod
from ostiary.trust.json_fields import malformed
from ostiary.trust.public_key import PublicKey, wrap_public_key

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_KNOWN_CRITICAL: Final = frozenset(
    (
        "2.5.29.14",  # subjectKeyIdentifier
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.35",  # authorityKeyIdentifier
        "2.5.29.37",  # extKeyUsage
    )
)
_MAX_IDENTITY_CHARACTERS: Final = 1_024


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """The key of a certificate whose chain holds, and whose it is."""

    key: PublicKey
    signer: Signer


def verify_chain(chain_der: Sequence[bytes], roots_der: Sequence[bytes], at: Sequence[datetime]) -> CertifiedKey:
    """The signer's key, where the chain leads to one of the roots and held at each of these moments.

    1. Read every certificate.
    2. The signer's own: digital signature and code signing, one holder.
    3. Link by link up to a root: issuer's name, issuer's signature, issuer may issue, path length.
    4. Each certificate on the way holds at each moment.
    """
    # 1
    chain = [parse_certificate(der) for der in chain_der]
    roots = [parse_certificate(der) for der in roots_der]
    leaf = chain[0]
    # 2
    _check_usage(leaf)
    identity = read_identity(leaf)
    # 3
    path = _find_path(leaf, chain[1:], roots)
    # 4
    for certificate in path:
        for moment in at:
            _check_period(certificate, moment)
    key = wrap_public_key(leaf.public_key())
    signer = Signer(
        method=SignerMethod.CERTIFICATE,
        key_id=key.key_id,
        identity=identity,
        issuer=hash_certificate(path[-1]),
        certificate_sha256=hash_certificate(leaf),
    )
    return CertifiedKey(key, signer)


def check_signing_certificate(der: bytes, at: datetime | None) -> PublicKey:
    """The key of a certificate that may be signed with at this moment; its chain is for whoever verifies."""
    certificate = parse_certificate(der)
    _check_usage(certificate)
    read_identity(certificate)
    if at is not None:
        _check_period(certificate, at)
    return wrap_public_key(certificate.public_key())


def parse_certificate(der: bytes) -> Certificate:
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415  # slow to import

    try:
        certificate = load_der_x509_certificate(der)
        extensions = certificate.extensions
        certificate.public_key()
    except Exception as error:  # many kinds, none of them documented as complete
        raise malformed("a certificate cannot be read") from error
    for extension in extensions:
        if extension.critical and extension.oid.dotted_string not in _KNOWN_CRITICAL:
            detail = (
                f"a certificate has the critical extension {extension.oid.dotted_string}, which is not understood"
            )
            raise TrustRefused(TRUST_UNSUPPORTED, detail)
    return certificate


def parse_pem_certificates(text: bytes) -> tuple[bytes, ...]:
    """Every certificate of a PEM file, in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415

    try:
        certificates = load_pem_x509_certificates(text)
    except ValueError as error:
        raise TrustRefused(TRUST_MALFORMED, "it holds no certificates as PEM text") from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def hash_certificate(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def read_identity(certificate: Certificate) -> str:
    """The one e-mail address, URI or host name that the certificate is for; its subject where it has none."""
    from cryptography import x509  # noqa: PLC0415

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        identity = certificate.subject.rfc4514_string()
    else:
        kinds = (x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName)
        values = [name.value for name in names if isinstance(name, kinds)]
        if len(values) != 1 or len(list(names)) != 1:
            raise TrustRefused(TRUST_UNSUPPORTED, "the signer's certificate does not name exactly one holder")
        identity = values[0]
    if not identity or len(identity) > _MAX_IDENTITY_CHARACTERS:
        raise malformed("the signer's certificate names nobody")
    return quote_untrusted(identity, _MAX_IDENTITY_CHARACTERS)


def _check_usage(leaf: Certificate) -> None:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        detail = "the signer's certificate does not say that it is for signing code"
        raise TrustRefused(TRUST_WRONG_SIGNER, detail) from error
    if not usage.digital_signature:
        raise TrustRefused(TRUST_WRONG_SIGNER, "the signer's certificate is not for making signatures")
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise TrustRefused(
            TRUST_WRONG_SIGNER, "the signer's certificate was issued for something else than signing code"
        )


def _find_path(leaf: Certificate, others: Sequence[Certificate], roots: Sequence[Certificate]) -> list[Certificate]:
    """The way up: each certificate of `others` is used at most once, and the first root that fits ends it."""
    path = [leaf]
    left = list(others)
    while True:
        top = path[-1]
        if any(top == root for root in roots):
            return path
        root = next((root for root in roots if _is_issued_by(top, root, len(path) - 1)), None)
        if root is not None:
            return [*path, root]
        issuer = next((other for other in left if _is_issued_by(top, other, len(path) - 1)), None)
        if issuer is None:
            raise TrustRefused(
                TRUST_WRONG_SIGNER, "the signer's certificate does not lead to a root that is trusted"
            )
        left.remove(issuer)
        path.append(issuer)


def _is_issued_by(certificate: Certificate, issuer: Certificate, below: int) -> bool:
    """`below` counts the authorities between this issuer and the signer's own certificate."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    try:
        certificate.verify_directly_issued_by(issuer)
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    if not constraints.ca or (constraints.path_length is not None and below > constraints.path_length):
        return False
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:  # allowed to be absent, and then allows all
        return True


def _check_period(certificate: Certificate, at: datetime) -> None:
    who = quote_untrusted(certificate.subject.rfc4514_string())
    if at < certificate.not_valid_before_utc:
        begins = render_moment(certificate.not_valid_before_utc)
        raise TrustRefused(TRUST_NOT_YET_VALID, f"the certificate of '{who}' begins at {begins}")
    if at > certificate.not_valid_after_utc:
        raise TrustRefused(
            TRUST_EXPIRED, f"the certificate of '{who}' ended at {render_moment(certificate.not_valid_after_utc)}"
        )
