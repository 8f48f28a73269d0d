"""What Ostiary adds to a statement, where OMS leaves room for it (docs/formats/signature.md).

    subject[0].annotations["ostiary.model/v1"]        id, version, dates, claims, findings
    resources[i].annotations["ostiary.chunks/v1"]     the chunk tree of that file

Other programs' annotations are let be. One of ours that this version does not know is refused: it may hold a
condition, and a condition that is not understood must not be passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Final

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import (
    MAX_CLAIM_CHARACTERS,
    MAX_CLAIMS,
    MAX_SIGNED_FINDINGS,
)
from ostiary.core.model_id import parse_model_id
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_TOO_LARGE, TRUST_UNSUPPORTED, TrustRefused
from ostiary.trust.dates import parse_moment, render_moment
from ostiary.trust.evidence import SignedFinding
from ostiary.trust.json_fields import (
    JsonObject,
    as_object,
    check_hex,
    check_keys,
    malformed,
    take_list,
    take_object,
    take_text,
)
from ostiary.trust.version import parse_version

MODEL_KEY: Final = "ostiary.model/v1"
CHUNKS_KEY: Final = "ostiary.chunks/v1"
_OURS: Final = "ostiary."

_CLAIM: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
MIN_CHUNK_BYTES: Final = 1 << 16
MAX_CHUNK_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class ModelClaims:
    """What a signer says of the model as a whole, beside its bytes."""

    model_id: str | None = None
    model_version: str | None = None
    signed_at: datetime | None = None
    expires_at: datetime | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[SignedFinding, ...] = ()


def parse_claims(subject: JsonObject) -> ModelClaims:
    """Ours of the subject's annotations; empty where there are none."""
    value = _take_ours(subject, MODEL_KEY, "the subject")
    if value is None:
        return ModelClaims()
    where = f"'{MODEL_KEY}'"
    check_keys(value, where, ("signedAt",), ("id", "version", "expiresAt", "claims", "findings"))
    model_id = take_text(value, "id", where) if "id" in value else None
    version = take_text(value, "version", where) if "version" in value else None
    if model_id is not None:
        parse_model_id(model_id)
    if version is not None:
        parse_version(version)
    expires = value.get("expiresAt")
    return ModelClaims(
        model_id=model_id,
        model_version=version,
        signed_at=parse_moment(take_text(value, "signedAt", where), "'signedAt'"),
        expires_at=None if expires is None else parse_moment(take_text(value, "expiresAt", where), "'expiresAt'"),
        claims=_parse_free_claims(take_object(value, "claims", where)) if "claims" in value else {},
        findings=_parse_findings(value) if "findings" in value else (),
    )


def parse_chunks(resource: JsonObject) -> ChunkTree | None:
    """Ours of a resource's annotations."""
    value = _take_ours(resource, CHUNKS_KEY, "a resource")
    if value is None:
        return None
    where = f"'{CHUNKS_KEY}'"
    check_keys(value, where, ("chunkBytes", "root"))
    chunk_bytes = value["chunkBytes"]
    if isinstance(chunk_bytes, bool) or not isinstance(chunk_bytes, int):
        raise malformed(f"'chunkBytes' of {where} is not an integer")
    if not MIN_CHUNK_BYTES <= chunk_bytes <= MAX_CHUNK_BYTES or chunk_bytes & (chunk_bytes - 1):
        raise malformed(f"'chunkBytes' of {where} is no power of two from {MIN_CHUNK_BYTES} to {MAX_CHUNK_BYTES}")
    return ChunkTree(chunk_bytes, check_hex(take_text(value, "root", where), f"'root' of {where}", 32))


def describe_claims(claims: ModelClaims) -> JsonObject:
    """What `parse_claims` reads, with only the fields that are there."""
    if claims.signed_at is None:
        raise ValueError("a statement of ours says when it was made")
    value: JsonObject = {}
    if claims.model_id is not None:
        parse_model_id(claims.model_id)
        value["id"] = claims.model_id
    if claims.model_version is not None:
        parse_version(claims.model_version)
        value["version"] = claims.model_version
    value["signedAt"] = render_moment(claims.signed_at)
    if claims.expires_at is not None:
        value["expiresAt"] = render_moment(claims.expires_at)
    if claims.claims:
        value["claims"] = dict(_parse_free_claims(dict(claims.claims)))
    if claims.findings:
        findings = claims.findings[:MAX_SIGNED_FINDINGS]
        value["findings"] = [{"rule": finding.rule, "path": finding.path} for finding in findings]
    return {MODEL_KEY: value}


def describe_chunks(tree: ChunkTree) -> JsonObject:
    return {CHUNKS_KEY: {"chunkBytes": tree.chunk_bytes, "root": tree.root}}


def _take_ours(owner: JsonObject, key: str, where: str) -> JsonObject | None:
    if owner.get("annotations") is None:
        return None
    annotations = take_object(owner, "annotations", where)
    for name in annotations:
        if name.startswith(_OURS) and name != key:
            detail = f"{where} has the annotation '{quote_untrusted(name)}', which this version does not know"
            raise TrustRefused(TRUST_UNSUPPORTED, detail)
    return take_object(annotations, key, where) if key in annotations else None


def _parse_free_claims(value: Mapping[str, JsonValue]) -> Mapping[str, str]:
    if len(value) > MAX_CLAIMS:
        raise TrustRefused(TRUST_TOO_LARGE, f"{len(value)} claims; the ceiling is {int(MAX_CLAIMS)}")
    claims: dict[str, str] = {}
    for name, text in value.items():
        if not _CLAIM.fullmatch(name):
            raise malformed(f"the claim '{quote_untrusted(name)}' is not a plain word")
        if not isinstance(text, str) or any(is_invisible(character) for character in text):
            raise malformed(f"the claim '{name}' is not one line of plain text")
        if len(text) > MAX_CLAIM_CHARACTERS:
            raise TrustRefused(TRUST_TOO_LARGE, f"the claim '{name}' has {len(text)} characters")
        claims[name] = text
    return claims


def _parse_findings(value: JsonObject) -> tuple[SignedFinding, ...]:
    findings = []
    for entry in take_list(value, "findings", f"'{MODEL_KEY}'", MAX_SIGNED_FINDINGS):
        finding = as_object(entry, "a finding")
        check_keys(finding, "a finding", ("rule", "path"))
        findings.append(
            SignedFinding(take_text(finding, "rule", "a finding"), take_text(finding, "path", "a finding"))
        )
    return tuple(findings)
