"""A verification for people and for machines. docs/reference/verify.schema.json is the promise on the latter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.cli import ui
from ostiary.core.text import quote_untrusted
from ostiary.errors import IntakeRefused, Refusal, TrustRefused
from ostiary.trust.dates import render_moment

if TYPE_CHECKING:
    from ostiary.trust.evidence import Vouching
    from ostiary.trust.judge import Verification

SCHEMA: Final = 1


def describe_verification(verification: Verification) -> dict[str, object]:
    ticket, evidence = verification.ticket, verification.evidence
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "correlation_id": verification.correlation_id,
        "model": quote_untrusted(evidence.name),
        "verdict": "verified",
        "error": None,
        "digest": f"sha256:{evidence.root}",
        "rule": ticket.rule,
        "level": str(verification.decision.level),
        "objections": [{"code": o.code, "message": o.message} for o in verification.decision.objections],
        "id": ticket.model_id,
        "version": ticket.model_version,
        "expires": None if ticket.expires_at is None else render_moment(ticket.expires_at),
        "signers": [_describe_vouching(v, counted=v in verification.decision.counted) for v in evidence.vouchings],
        "unknown_signatures": [
            {"file": quote_untrusted(u.path), "method": str(u.method), "code": u.code, "reason": u.reason}
            for u in evidence.unknown
        ],
        "findings": [{"rule": f.rule, "path": quote_untrusted(f.path)} for f in evidence.findings],
        "left_out": [quote_untrusted(path) for path in evidence.left_out],
    }


def describe_refusal(refusal: Refusal) -> dict[str, object]:
    path = refusal.path if isinstance(refusal, TrustRefused) else ""
    findings = refusal.findings if isinstance(refusal, TrustRefused | IntakeRefused) else ()
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "correlation_id": refusal.correlation_id or "",
        "verdict": "refused",
        "error": {"code": refusal.code, "message": refusal.message, "hint": refusal.hint},
        "rule": refusal.rule if isinstance(refusal, TrustRefused) else None,
        "path": quote_untrusted(path) if path else None,
        "findings": [
            {"rule": f.rule.id, "code": None if f.rule.code is None else f.rule.code.name, "message": f.sentence}
            for f in findings
        ],
    }


def render_verification(verification: Verification, *, color: bool) -> list[str]:
    ticket, evidence = verification.ticket, verification.evidence
    mark = ui.paint("verified", "green", enabled=color)
    if ticket.objections:
        mark = ui.paint(f"let in ({verification.decision.level})", "yellow", enabled=color)
    count = len(ticket.files)
    size = ui.render_bytes(sum(entry.size for entry in ticket.files))
    lines = [f"{mark}  {quote_untrusted(evidence.name)}  {count} file{'s' * (count != 1)}, {size}"]
    lines.append(f"  digest   sha256:{evidence.root}")
    if ticket.model_id is not None:
        version = "" if ticket.model_version is None else f" {ticket.model_version}"
        lines.append(f"  id       {ticket.model_id}{version}")
    lines += [f"  signer   {_render_signer(vouching)}" for vouching in verification.decision.counted]
    if ticket.rule != "key":
        lines.append(f"  rule     {quote_untrusted(ticket.rule)}")
    if ticket.expires_at is not None:
        lines.append(f"  until    {render_moment(ticket.expires_at)}")
    lines += [f"  objects  {o.code}: {o.message}" for o in verification.decision.objections]
    lines += [f"  unknown  {quote_untrusted(u.path)}: {u.reason}" for u in evidence.unknown]
    lines += [f"  code     {f.rule} in {quote_untrusted(f.path)}" for f in evidence.findings]
    lines += [f"  ignored  {quote_untrusted(path)}: nobody vouches for it" for path in evidence.left_out]
    return lines


def _describe_vouching(vouching: Vouching, *, counted: bool) -> dict[str, object]:
    signer, statement = vouching.signer, vouching.statement
    return {
        "file": quote_untrusted(vouching.path),
        "counted": counted,
        "method": str(signer.method),
        "key": signer.key_id,
        "identity": signer.identity or None,
        "issuer": signer.issuer or None,
        "id": statement.model_id,
        "version": statement.model_version,
        "signed": None if statement.signed_at is None else render_moment(statement.signed_at),
        "expires": None if statement.expires_at is None else render_moment(statement.expires_at),
        "claims": dict(statement.claims),
    }


def _render_signer(vouching: Vouching) -> str:
    signer = vouching.signer
    name = signer.identity or signer.key_id
    signed = vouching.statement.signed_at
    when = "" if signed is None else f", says it signed at {render_moment(signed)}"
    issuer = f" according to {signer.issuer}" if signer.issuer else ""
    return f"{signer.method} {name}{issuer}{when}"
