"""Keyless signatures (the `sigstore` extra): checked offline, against the trust root that the library packages.

Where an operator has an instance of his own, its configuration stands in the place of the packaged root, not beside
it: an authority can certify anybody, so the public one's names must not be believed from another.

A bundle carries all that is needed: the short-lived certificate, the log's promise or proof, timestamps. That the
certificate held when it signed is proven by the log or a timestamp authority, not by the signer's word.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final

from ostiary.core.text import quote_untrusted
from ostiary.errors import TRUST_BAD_SIGNATURE, TRUST_UNSUPPORTED, TrustRefused
from ostiary.trust.bundle import PAYLOAD_TYPE, Bundle
from ostiary.trust.certificates import hash_certificate, read_identity
from ostiary.trust.evidence import Signer, SignerMethod
from ostiary.trust.json_fields import malformed
from ostiary.trust.keyless_config import load_config, read_packaged_config
from ostiary.trust.keyless_transport import import_sigstore
from ostiary.trust.public_key import wrap_public_key

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.verify import Verifier

# Fulcio's extensions (github.com/sigstore/fulcio, docs/oid-info.md): the identity provider, in two spellings.
_ISSUER_V2: Final = "1.3.6.1.4.1.57264.1.8"
_ISSUER_V1: Final = "1.3.6.1.4.1.57264.1.1"


def verify_sigstore_bundle(bundle: Bundle, config: bytes | None = None) -> Signer:
    """Who signed, according to sigstore; whether that is somebody to believe is for policy.

    `config` is the client trust configuration of another instance than the public one.
    """
    verifier = open_verifier(config)
    from sigstore.models import Bundle as SigstoreBundle  # noqa: PLC0415

    try:
        native = SigstoreBundle.from_json(bundle.raw)
    except Exception as error:  # pydantic's and the library's own kinds
        raise malformed("the keyless bundle cannot be read") from error
    try:
        kind, payload = verifier.verify_dsse(native, _AnyHolder())
    except Exception as error:  # the library's own kinds, and those of the readers that it uses
        raise TrustRefused(TRUST_BAD_SIGNATURE, "the keyless signature does not hold") from error
    if kind != PAYLOAD_TYPE or payload != bundle.payload:
        raise TrustRefused(TRUST_BAD_SIGNATURE, "the keyless signature is over another payload")
    certificate = native.signing_certificate
    return Signer(
        method=SignerMethod.SIGSTORE,
        key_id=wrap_public_key(certificate.public_key()).key_id,
        identity=read_identity(certificate),
        issuer=read_issuer(certificate),
        certificate_sha256=hash_certificate(certificate),
    )


class _AnyHolder:
    """The library asks a policy whom to believe; ours decides later, on the evidence."""

    def verify(self, cert: Certificate) -> None:
        """Accepts: nothing is decided here."""


def verify_timestamp(answer: bytes, signature: bytes, config: bytes) -> None:
    """Returns where one of the instance's timestamp authorities has stamped the signature.

    The library passes over a timestamp that does not hold where the log gives a time, too.
    """
    from rfc3161_client import VerifierBuilder, decode_timestamp_response  # noqa: PLC0415

    try:
        response = decode_timestamp_response(answer)
        authorities = load_config(config).trusted_root.get_timestamp_authorities()
    except Exception as error:  # kinds of native libraries
        raise malformed("the timestamp cannot be read") from error
    for authority in authorities:
        signer, *others = authority.certificates(allow_expired=False) or (None,)
        if signer is None or not others:
            continue
        verifier = VerifierBuilder(tsa_certificate=signer, intermediates=others[:-1], roots=others[-1:]).build()
        with suppress(Exception):  # tried with the next one
            if verifier.verify_message(response, signature):
                return
    raise TrustRefused(TRUST_BAD_SIGNATURE, "the timestamp is by no authority that is trusted")


@cache
def open_verifier(config: bytes | None = None) -> Verifier:
    """On the packaged root itself, never on what may lie in a user's cache; or on that of a configuration."""
    import_sigstore("a keyless signature")
    from sigstore.verify import Verifier  # noqa: PLC0415  # an extra, slow to import

    try:
        return Verifier(trusted_root=load_config(read_packaged_config() if config is None else config).trusted_root)
    except TrustRefused:
        raise
    except Exception as error:  # pydantic's and the library's own kinds
        raise malformed("the Sigstore configuration has roots that cannot be used") from error


def read_issuer(certificate: Certificate) -> str:
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
