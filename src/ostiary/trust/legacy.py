"""Statements of the reference's version 0.2, from before the format was fixed. Read only where an operator asks.

That version put each file into the subjects, had no root, and signed a faulty encoding: `DSSEV1` and the payload
as Python shows bytes. OMS v1.0, 5.1 and 11, leaves it to the verifier; ours takes it only with an option that says
so, and only with certificates, as that version wrote it.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.digests import compute_root
from ostiary.core.limits import MAX_STATEMENT_BYTES, MAX_STATEMENT_FILES, MAX_STATEMENT_VALUES
from ostiary.errors import TRUST_BAD_SIGNATURE, TrustRefused
from ostiary.trust.bundle import PAYLOAD_TYPE, Bundle
from ostiary.trust.evidence import SignedFile, SignedStatement
from ostiary.trust.json_fields import (
    as_object,
    check_hex,
    check_keys,
    malformed,
    parse_object,
    take_constant,
    take_list,
    take_object,
    take_text,
)
from ostiary.trust.public_key import PublicKey
from ostiary.trust.statement import STATEMENT_TYPE

LEGACY_PREDICATE: Final = "https://model_signing/Digests/v0.1"


def is_legacy_statement(payload: bytes) -> bool:
    value = parse_object(payload, "the statement", MAX_STATEMENT_BYTES, MAX_STATEMENT_VALUES)
    return value.get("predicateType") == LEGACY_PREDICATE


def parse_legacy_statement(payload: bytes) -> SignedStatement:
    value = parse_object(payload, "the statement", MAX_STATEMENT_BYTES, MAX_STATEMENT_VALUES)
    check_keys(value, "the statement", ("_type", "subject", "predicateType", "predicate"))
    take_constant(value, "_type", "the statement", STATEMENT_TYPE)
    take_constant(value, "predicateType", "the statement", LEGACY_PREDICATE)
    files = []
    for entry in take_list(value, "subject", "the statement", MAX_STATEMENT_FILES):
        subject = as_object(entry, "a subject")
        digests = take_object(subject, "digest", "a subject")
        sha256 = check_hex(take_text(digests, "sha256", "a subject's digest"), "a subject's digest", 32)
        files.append(SignedFile(take_text(subject, "name", "a subject"), sha256))
    if not files:
        raise malformed("the statement lists no file")
    return SignedStatement(name="", root=compute_root(file.sha256 for file in files), files=tuple(files))


def verify_legacy_signature(key: PublicKey, bundle: Bundle) -> None:
    """Over the faulty encoding, always with SHA-256, whatever the curve."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    payload = bundle.payload
    message = f"DSSEV1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload!r}".encode()
    try:
        key.native.verify(bundle.signature, message, ECDSA(SHA256()))
    except InvalidSignature as error:
        raise TrustRefused(TRUST_BAD_SIGNATURE, "the signature is not one over these bytes") from error
