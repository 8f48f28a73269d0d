"""What a policy says, for machines (docs/reference/trust-check.schema.json, trust-list.schema.json)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.core.limits import MAX_POLICY_TEXT_CHARACTERS
from ostiary.core.text import quote_untrusted
from ostiary.trust.dates import render_moment

if TYPE_CHECKING:
    from ostiary.errors import Refusal
    from ostiary.library.belief import Belief
    from ostiary.trust.explanation import Explanation, Remembered
    from ostiary.trust.policy import Policy, PolicyRule, PolicySigner
    from ostiary.trust.revocation import Revocation

SCHEMA: Final = 1


def describe_answer(
    answer: Explanation, refusal: Refusal | None, origin: str, correlation_id: str
) -> dict[str, object]:
    error = None
    if refusal is not None:
        error = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "correlation_id": correlation_id,
        "policy": origin,
        "id": None if answer.model_id is None else quote_untrusted(answer.model_id),
        "version": None if answer.version is None else str(answer.version),
        "rule": answer.rule,
        "level": str(answer.level),
        "verdict": str(answer.verdict),
        "error": error,
        "conditions": [
            {
                "topic": str(condition.topic),
                "holds": condition.holds,
                "asked": condition.asked,
                "found": condition.found,
                "code": None if condition.code is None else condition.code.name,
                "remedy": condition.remedy or None,
            }
            for condition in answer.conditions
        ],
    }


def describe_policy(belief: Belief, memory: Mapping[str, Remembered], repository: str | None) -> dict[str, object]:
    """Signers, rules, revocations and what is remembered."""
    policy = belief.policy
    own = set(policy.revocations.entries)
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "verdict": "listed",
        "error": None,
        "policy": {"name": belief.origin, "digest": f"sha256:{policy.sha256}", "level": str(policy.level)},
        "repository": None if repository is None else f"sha256:{repository}",
        "fetched_until": None if belief.expires_at is None else render_moment(belief.expires_at),
        "signers": [_describe_signer(name, signer) for name, signer in policy.signers.items()],
        "rules": [_describe_rule(policy, rule) for rule in policy.rules],
        "revoked": [
            _describe_revocation(entry, is_fetched=entry not in own)
            for entry in (policy.revocations + belief.revocations).entries
        ],
        "remembered": [
            {
                "id": name,
                "version": None if seen.version is None else str(seen.version),
                "digest": f"sha256:{seen.root}",
                "pinned": seen.is_pinned,
            }
            for name, seen in sorted(memory.items())
        ],
    }


def _describe_signer(name: str, signer: PolicySigner) -> dict[str, object]:
    from ostiary.trust.policy import CertificateSigner, KeySigner

    kind, key, identity, issuer = "sigstore", None, None, None
    if isinstance(signer, KeySigner):
        kind, key = "key", signer.key.key_id
    elif isinstance(signer, CertificateSigner):
        kind, identity = "certificate", signer.identity
    else:
        identity, issuer = signer.identity, signer.issuer
    return {
        "name": name,
        "kind": kind,
        "key": key,
        "identity": None if identity is None else quote_untrusted(identity, MAX_POLICY_TEXT_CHARACTERS),
        "issuer": None if issuer is None else quote_untrusted(issuer, MAX_POLICY_TEXT_CHARACTERS),
    }


def _describe_rule(policy: Policy, rule: PolicyRule) -> dict[str, object]:
    return {
        "models": rule.name,
        "except": [exception.text for exception in rule.exceptions],
        "signers": list(rule.signers),
        "need": rule.need,
        "minimum_version": "any" if rule.minimum_version is None else str(rule.minimum_version),
        "formats": sorted(rule.formats),
        "sources": [source.text for source in rule.sources],
        "code": sorted(rule.code),
        "first_use": str(rule.first_use),
        "unnamed": rule.unnamed,
        "level": str(policy.level_of(rule)),
    }


def _describe_revocation(entry: Revocation, *, is_fetched: bool) -> dict[str, object]:
    return {
        "kind": str(entry.kind),
        "subject": quote_untrusted(entry.subject, MAX_POLICY_TEXT_CHARACTERS),
        "version": None if entry.version is None else str(entry.version),
        "revoked_at": render_moment(entry.revoked_at),
        "reason": quote_untrusted(entry.reason, MAX_POLICY_TEXT_CHARACTERS),
        "fetched": is_fetched,
    }
