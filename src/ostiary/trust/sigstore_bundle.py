"""Keyless signatures (the `sigstore` extra): checked offline, against the trust root that the library packages.

A bundle carries all that is needed: the short-lived certificate, the log's promise or proof, timestamps. That the
certificate held when it signed is proven by the log or a timestamp authority, not by the signer's word.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from ostiary.core.text import quote_untrusted
from ostiary.errors import EXTRA_MISSING, TRUST_BAD_SIGNATURE, TRUST_UNSUPPORTED, Misuse, TrustRefused
from ostiary.trust.bundle import PAYLOAD_TYPE, Bundle
from ostiary.trust.certificates import hash_certificate, read_identity
from ostiary.trust.evidence import Signer, SignerMethod
from ostiary.trust.json_fields import malformed
from ostiary.trust.public_key import wrap_public_key

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.verify import Verifier

# Fulcio's extensions (github.com/sigstore/fulcio, docs/oid-info.md): the identity provider, in two spellings.
_ISSUER_V2: Final = "1.3.6.1.4.1.57264.1.8"
_ISSUER_V1: Final = "1.3.6.1.4.1.57264.1.1"
_STORE: Final = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"


def verify_sigstore_bundle(bundle: Bundle) -> Signer:
    """Who signed, according to sigstore; whether that is somebody to believe is for policy."""
    verifier = _open_verifier()
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import Bundle as SigstoreBundle  # noqa: PLC0415

    try:
        native = SigstoreBundle.from_json(bundle.raw)
    except Exception as error:  # pydantic's and the library's own kinds
        raise malformed("the keyless bundle cannot be read") from error
    try:
        kind, payload = verifier.verify_dsse(native, _AnyHolder())
    except (Error, ValueError) as error:
        raise TrustRefused(TRUST_BAD_SIGNATURE, "the keyless signature does not hold") from error
    if kind != PAYLOAD_TYPE or payload != bundle.payload:
        raise TrustRefused(TRUST_BAD_SIGNATURE, "the keyless signature is over another payload")
    certificate = native.signing_certificate
    return Signer(
        method=SignerMethod.SIGSTORE,
        key_id=wrap_public_key(certificate.public_key()).key_id,
        identity=read_identity(certificate),
        issuer=_read_issuer(certificate),
        certificate_sha256=hash_certificate(certificate),
    )


class _AnyHolder:
    """The library asks a policy whom to believe; ours decides later, on the evidence."""

    def verify(self, cert: Certificate) -> None:
        """Accepts: nothing is decided here."""


@cache
def _open_verifier() -> Verifier:
    """On the packaged root itself, never on what may lie in a user's cache."""
    try:
        from sigstore.models import TrustedRoot  # noqa: PLC0415
        from sigstore.verify import Verifier  # noqa: PLC0415
    except ImportError as error:
        raise Misuse(
            EXTRA_MISSING,
            "keyless signatures need the library `sigstore`",
            hint="Install the extra: pip install 'ostiary[sigstore]'.",
        ) from error
    packaged = files("sigstore") / "_store" / _STORE / "trusted_root.json"
    with as_file(packaged) as path:
        return Verifier(trusted_root=TrustedRoot.from_file(str(path)))


def _read_issuer(certificate: Certificate) -> str:
    """The identity provider's URL, as Fulcio wrote it into the certificate."""
    values = {extension.oid.dotted_string: extension.value for extension in certificate.extensions}
    for oid in (_ISSUER_V2, _ISSUER_V1):
        raw = getattr(values.get(oid), "value", None)
        if not isinstance(raw, bytes):
            continue
        # V2 is a DER UTF8String: tag 12, then a short length; V1 is the bare text.
        text = raw[2:] if oid == _ISSUER_V2 and raw[:1] == b"\x0c" and raw[1:2] == bytes((len(raw) - 2,)) else raw
        try:
            return quote_untrusted(text.decode("ascii"), 1_024)
        except UnicodeDecodeError:
            break
    raise TrustRefused(TRUST_UNSUPPORTED, "the keyless certificate does not say who knows its holder")
