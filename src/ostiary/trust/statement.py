"""The statement that is signed: in-toto Statement v1 with the OMS v1.0 predicate, read strictly, written one way.

https://github.com/ossf/model-signing-spec, sections 5 and 6. Read: any order of resources, as signers differ in it.
Written: code-point order (5.2.1), keys sorted, no blanks, ASCII only, so that the same model gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ostiary.core.digests import compute_root
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_STATEMENT_BYTES, MAX_STATEMENT_FILES, MAX_STATEMENT_VALUES
from ostiary.errors import TRUST_UNSUPPORTED, TrustRefused
from ostiary.trust.annotations import ModelClaims, describe_chunks, describe_claims, parse_chunks, parse_claims
from ostiary.trust.evidence import SignedFile, SignedStatement
from ostiary.trust.json_fields import (
    JsonObject,
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

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"

_SHA256_BYTES: Final = 32
_MAX_IGNORED_PATHS: Final = 1_024


def parse_statement(payload: bytes) -> SignedStatement:
    """What the signer claims, or a TrustRefused: MALFORMED, TOO_LARGE or UNSUPPORTED.

    Names are not judged here, and the root is taken as it stands: see the steps in verify.py.
    """
    value = parse_object(payload, "the statement", MAX_STATEMENT_BYTES, MAX_STATEMENT_VALUES)
    check_keys(value, "the statement", ("_type", "subject", "predicateType", "predicate"))
    take_constant(value, "_type", "the statement", STATEMENT_TYPE)
    take_constant(value, "predicateType", "the statement", PREDICATE_TYPE)
    subjects = take_list(value, "subject", "the statement", 1)
    if not subjects:
        raise malformed("the statement has no subject")
    subject = as_object(subjects[0], "the subject")
    name = take_text(subject, "name", "the subject")
    if not name:
        raise malformed("the subject has no name")
    digests = take_object(subject, "digest", "the subject")
    root = check_hex(take_text(digests, "sha256", "the subject's digest"), "the root digest", _SHA256_BYTES)
    predicate = take_object(value, "predicate", "the statement")
    check_keys(predicate, "the predicate", ("resources", "serialization"))
    ignored = _parse_serialization(take_object(predicate, "serialization", "the predicate"))
    resources = take_list(predicate, "resources", "the predicate", MAX_STATEMENT_FILES)
    if not resources:
        raise malformed("the statement lists no file")
    claims = parse_claims(subject)
    return SignedStatement(
        name=name,
        root=root,
        files=tuple(_parse_resource(resource) for resource in resources),
        ignored_paths=ignored,
        model_id=claims.model_id,
        model_version=claims.model_version,
        signed_at=claims.signed_at,
        expires_at=claims.expires_at,
        claims=claims.claims,
        findings=claims.findings,
    )


def write_statement(
    name: str, files: Sequence[SignedFile], claims: ModelClaims, ignored_paths: Sequence[str]
) -> bytes:
    """The bytes to sign. What comes out is read back by `parse_statement` before it is used anywhere."""
    listed = sorted(files, key=lambda file: file.path)
    subject: JsonObject = {
        "name": name,
        "digest": {"sha256": compute_root(file.sha256 for file in listed)},
        "annotations": describe_claims(claims),
    }
    value = {
        "_type": STATEMENT_TYPE,
        "subject": [subject],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "resources": [_describe_resource(file) for file in listed],
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(ignored_paths),
            },
        },
    }
    payload = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    parse_statement(payload)
    return payload


def _parse_serialization(value: JsonObject) -> tuple[str, ...]:
    """The ignored paths. Only whole files by SHA-256 are understood on both sides of the reference."""
    where = "the serialization"
    check_keys(value, where, ("method", "hash_type", "allow_symlinks"), ("ignore_paths", "shard_size"))
    for key, expected in (("method", "files"), ("hash_type", "sha256")):
        if take_text(value, key, where) != expected:
            raise TrustRefused(TRUST_UNSUPPORTED, f"'{key}' of {where} is not '{expected}'")
    if "shard_size" in value:
        raise malformed(f"{where} has a shard size though whole files were signed")
    if not isinstance(value["allow_symlinks"], bool):
        raise malformed(f"'allow_symlinks' of {where} is not a boolean")
    if "ignore_paths" not in value:
        return ()
    ignored = take_list(value, "ignore_paths", where, _MAX_IGNORED_PATHS)
    if not all(isinstance(path, str) for path in ignored):
        raise malformed(f"'ignore_paths' of {where} holds something that is not a string")
    return tuple(str(path) for path in ignored)


def _parse_resource(value: JsonValue) -> SignedFile:
    """Section 5.2.1: what else a resource says is ignored, as the specification demands."""
    resource = as_object(value, "a resource")
    path = take_text(resource, "name", "a resource")
    if take_text(resource, "algorithm", "a resource") != "sha256":
        raise TrustRefused(TRUST_UNSUPPORTED, "the algorithm of a resource is not 'sha256'")
    sha256 = check_hex(take_text(resource, "digest", "a resource"), "the digest of a resource", _SHA256_BYTES)
    return SignedFile(path, sha256, parse_chunks(resource))


def _describe_resource(file: SignedFile) -> JsonObject:
    value: JsonObject = {"name": file.path, "algorithm": "sha256", "digest": file.sha256}
    if file.chunks is not None:
        value["annotations"] = describe_chunks(file.chunks)
    return value
