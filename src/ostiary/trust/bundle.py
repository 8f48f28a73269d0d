"""Reads signature files: sigstore bundles v0.3 around a DSSE envelope, as OMS v1.0 uses them. Pure; any bytes.

github.com/sigstore/protobuf-specs (sigstore_bundle.proto), github.com/ossf/model-signing-spec, section 4.
Stricter than protobuf's JSON: unknown keys, duplicate keys and a second signature are refused, and base64 has one
spelling, so that two programs cannot see two different bundles in the same bytes.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_BUNDLE_CERTIFICATES, MAX_BUNDLE_VALUES, MAX_LOG_ENTRIES, MAX_SIGNATURE_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.trust.evidence import SignerMethod
from ostiary.trust.json_fields import (
    JsonObject,
    as_object,
    check_keys,
    decode_base64,
    malformed,
    parse_object,
    take_constant,
    take_list,
    take_object,
    take_text,
)

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

_KEY: Final = "publicKey"
_CHAIN: Final = "x509CertificateChain"
_CERTIFICATE: Final = "certificate"
_METHODS: Final = {
    _KEY: SignerMethod.KEY,
    _CHAIN: SignerMethod.CERTIFICATE,
    _CERTIFICATE: SignerMethod.SIGSTORE,
}
_MAX_HINT_CHARACTERS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signature file taken apart; nothing in it is believed yet."""

    method: SignerMethod
    hint: str
    """What it says of its key; "" where it says nothing. Never more than a hint."""
    certificates: tuple[bytes, ...]
    """DER, the signer's own first."""
    payload: bytes
    """The very bytes that were signed (inside the PAE)."""
    signature: bytes
    raw: bytes
    """The whole file, for verifiers of keyless bundles."""


def parse_bundle(data: bytes) -> Bundle:
    """The bundle in `data`, or a TrustRefused: MALFORMED, TOO_LARGE or UNSUPPORTED."""
    value = parse_object(data, "the bundle", MAX_SIGNATURE_BYTES, MAX_BUNDLE_VALUES)
    check_keys(value, "the bundle", ("mediaType", "verificationMaterial", "dsseEnvelope"))
    take_constant(value, "mediaType", "the bundle", BUNDLE_TYPE)
    method, hint, certificates = _parse_material(take_object(value, "verificationMaterial", "the bundle"))
    payload, signature = parse_envelope(take_object(value, "dsseEnvelope", "the bundle"))
    return Bundle(method, hint, certificates, payload, signature, data)


def parse_envelope(envelope: JsonObject) -> tuple[bytes, bytes]:
    """The payload and the one signature of a DSSE envelope."""
    check_keys(envelope, "the envelope", ("payload", "payloadType", "signatures"))
    take_constant(envelope, "payloadType", "the envelope", PAYLOAD_TYPE)
    signatures = take_list(envelope, "signatures", "the envelope", 1)
    if not signatures:
        raise malformed("the envelope has no signature")
    signature = as_object(signatures[0], "the signature")
    check_keys(signature, "the signature", ("sig",), ("keyid",))
    if signature.get("keyid") is not None:  # absent, null or text (OMS, 4.1); never used
        take_text(signature, "keyid", "the signature")
    signed = decode_base64(take_text(signature, "sig", "the signature"), "the signature")
    payload = decode_base64(take_text(envelope, "payload", "the envelope"), "the payload")
    if not signed or not payload:
        raise malformed("the signature or the payload is empty")
    return payload, signed


def _parse_material(material: JsonObject) -> tuple[SignerMethod, str, tuple[bytes, ...]]:
    where = "the verification material"
    named = [key for key in _METHODS if key in material]
    if len(named) != 1:
        raise malformed(f"{where} names {len(named)} ways to know the signer, not one")
    method = _METHODS[named[0]]
    check_keys(material, where, named, ("tlogEntries", "timestampVerificationData"))
    _check_log_entries(material, method)
    if material.get("timestampVerificationData") is not None:
        take_object(material, "timestampVerificationData", where)
    if method is SignerMethod.KEY:
        return method, _parse_hint(take_object(material, _KEY, where)), ()
    if method is SignerMethod.SIGSTORE:
        return method, "", (_parse_certificate(material[_CERTIFICATE]),)
    chain = take_object(material, _CHAIN, where)
    check_keys(chain, "the certificate chain", ("certificates",))
    certificates = take_list(chain, "certificates", "the certificate chain", MAX_BUNDLE_CERTIFICATES)
    if not certificates:
        raise malformed("the certificate chain is empty")
    return method, "", tuple(_parse_certificate(certificate) for certificate in certificates)


def _check_log_entries(material: JsonObject, method: SignerMethod) -> None:
    """Section 4.1: keyless bundles must have an entry of a transparency log; for the others it means nothing."""
    where = "the verification material"
    entries = (
        [] if material.get("tlogEntries") is None else take_list(material, "tlogEntries", where, MAX_LOG_ENTRIES)
    )
    for entry in entries:
        as_object(entry, "an entry of the transparency log")
    if method is SignerMethod.SIGSTORE and not entries:
        raise malformed("a keyless bundle has no entry of a transparency log")


def _parse_hint(key: JsonObject) -> str:
    """Section 11.1: `hint`, or `rawBytes` in bundles from before 1.1.0. The key itself comes from the verifier."""
    check_keys(key, "the public key", (), ("hint", "rawBytes", "keyDetails"))
    if "hint" not in key and "rawBytes" not in key:
        raise malformed("the public key has neither a hint nor bytes")
    for name in key:
        if len(take_text(key, name, "the public key")) > _MAX_HINT_CHARACTERS:
            raise malformed(f"'{name}' of the public key is too long")
    return quote_untrusted(take_text(key, "hint", "the public key")) if "hint" in key else ""


def _parse_certificate(value: JsonValue) -> bytes:
    certificate = as_object(value, "a certificate")
    check_keys(certificate, "a certificate", ("rawBytes",))
    der = decode_base64(take_text(certificate, "rawBytes", "a certificate"), "a certificate")
    if not der:
        raise malformed("a certificate is empty")
    return der
