"""What is asked of Sigstore's services, and what their answers must be: a certificate, a log entry, a timestamp.

Fulcio: github.com/sigstore/fulcio, fulcio.proto, POST /api/v2/signingCert.
Rekor: github.com/sigstore/rekor, openapi.yaml, POST /api/v1/log/entries with a `dsse` entry; and
github.com/sigstore/rekor-tiles, POST /api/v2/log/entries with a `hashedrekord`, which the log gives no time to.
Timestamps: RFC 3161. Only forms are judged here; whether it all holds, `sigstore_bundle.py` says in the end.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from ostiary.core.json_text import JsonValue
from ostiary.errors import TrustRefused
from ostiary.trust.json_fields import JsonObject, as_object, take_list, take_object, take_text
from ostiary.trust.keyless_config import SigstoreInstance
from ostiary.trust.keyless_token import IdentityToken
from ostiary.trust.keyless_transport import Service, ask_for_json, ask_service
from ostiary.trust.private_key import PrivateKey

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MAX_CERTIFICATES: Final = 8
_MAX_PROOF_HASHES: Final = 64


def request_certificate(authority: Service, token: IdentityToken, key: PrivateKey) -> bytes:
    """The new certificate for this key, in DER; who stands in it is for the caller to check."""
    from cryptography import x509  # noqa: PLC0415  # slow to import
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    # The authority takes the name from the token: the request only proves that the key is ours.
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key.native, SHA256())
    )
    body = json.dumps({"certificateSigningRequest": _base64(request.public_bytes(Encoding.PEM))}).encode()
    answer = ask_for_json(authority, "/api/v2/signingCert", body, token=token.raw)
    der: bytes | None = None
    try:
        chain = take_object(take_object(answer, "signedCertificateEmbeddedSct", ""), "chain", "")
        certificates = take_list(chain, "certificates", "", _MAX_CERTIFICATES)
        first = certificates[0] if certificates else None
        if isinstance(first, str):
            der = x509.load_pem_x509_certificate(first.encode()).public_bytes(Encoding.DER)
    except (TrustRefused, ValueError):
        der = None
    if der is None:
        authority.fail("gave no certificate")
    return der


def submit_entry(
    instance: SigstoreInstance, certificate: Certificate, envelope: JsonObject, message: bytes, signature: bytes
) -> JsonObject:
    """The entry that the log made of a signature, as a bundle carries it."""
    if instance.log_version == 1:
        return _submit_first_version(instance.log, certificate, envelope)
    return _submit_second_version(instance.log, certificate, message, signature)


def request_timestamp(timestamper: Service, signature: bytes) -> bytes:
    """A timestamp over a signature, as the bundle carries it; whose it is, is checked with the roots."""
    from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response  # noqa: PLC0415  # an extra
    from rfc3161_client.base import HashAlgorithm  # noqa: PLC0415

    request = (
        TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True).build()
    )
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    answer = ask_service(timestamper, "", request.as_bytes(), headers)
    is_ours = False
    try:
        stamped = decode_timestamp_response(answer).tst_info
        is_ours = (
            stamped.nonce == request.nonce and stamped.message_imprint.message == hashlib.sha256(signature).digest()
        )
    except Exception:  # noqa: BLE001  kinds of a native library; told below
        is_ours = False
    if not is_ours:
        timestamper.fail("gave no timestamp for this signature")
    return answer


def _submit_first_version(log: Service, certificate: Certificate, envelope: JsonObject) -> JsonObject:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    proposed: JsonObject = {
        "envelope": json.dumps(envelope, sort_keys=True, separators=(",", ":")),
        "verifiers": [_base64(certificate.public_bytes(Encoding.PEM))],
    }
    wanted = {"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": proposed}}
    answer = ask_for_json(log, "/api/v1/log/entries", json.dumps(wanted).encode())
    entry: JsonObject | None = None
    try:
        entry = _convert_first_version(as_object(next(iter(answer.values()), None), ""))
    except (TrustRefused, ValueError):
        entry = None
    if entry is None or len(answer) != 1:
        log.fail("gave no entry with a proof")
    return entry


def _convert_first_version(entry: JsonObject) -> JsonObject:
    """The first version has a form of its own; a bundle has the second's (sigstore_rekor.proto)."""
    verification = take_object(entry, "verification", "")
    proof = take_object(verification, "inclusionProof", "")
    return {
        "logIndex": _take_count(entry, "logIndex"),
        "logId": {"keyId": _from_hex(entry.get("logID"))},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": _take_count(entry, "integratedTime"),
        "inclusionPromise": {"signedEntryTimestamp": take_text(verification, "signedEntryTimestamp", "")},
        "inclusionProof": {
            "logIndex": _take_count(proof, "logIndex"),
            "rootHash": _from_hex(proof.get("rootHash")),
            "treeSize": _take_count(proof, "treeSize"),
            "hashes": [_from_hex(node) for node in take_list(proof, "hashes", "", _MAX_PROOF_HASHES)],
            "checkpoint": {"envelope": take_text(proof, "checkpoint", "")},
        },
        "canonicalizedBody": take_text(entry, "body", ""),
    }


def _submit_second_version(log: Service, certificate: Certificate, message: bytes, signature: bytes) -> JsonObject:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    verifier: JsonObject = {
        "x509Certificate": {"rawBytes": _base64(certificate.public_bytes(Encoding.DER))},
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
    }
    wanted = {
        "hashedRekordRequestV002": {
            "digest": _base64(hashlib.sha256(message).digest()),
            "signature": {"content": _base64(signature), "verifier": verifier},
        }
    }
    answer = ask_for_json(log, "/api/v2/log/entries", json.dumps(wanted).encode())
    entry: JsonObject = {name: value for name, value in answer.items() if value is not None}
    if not isinstance(entry.get("inclusionProof"), dict):
        log.fail("gave no entry with a proof")
    return entry


def _take_count(value: JsonObject, name: str) -> str:
    """protobuf's JSON writes 64-bit numbers as text."""
    count = value.get(name)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(name)
    return str(count)


def _from_hex(value: JsonValue) -> str:
    return _base64(bytes.fromhex(take_text({"": value}, "", "")))


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
