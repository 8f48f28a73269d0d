"""How many of the signers that a rule names vouch for a model: as many as there are different names and keys.

Who holds one key under two names (bare, and certified as somebody) is one person. So names and keys are matched,
and the largest number of pairs counts. That number only shrinks where a name, a key or a signature is taken away,
which a choice made one by one could not promise.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    TRUST_EXPIRED,
    TRUST_NOT_YET_VALID,
    TRUST_REVOKED,
    TRUST_UNSIGNED,
    TRUST_WRONG_SIGNER,
    Code,
)
from ostiary.trust.evidence import Evidence, Signer, Vouching
from ostiary.trust.explanation import Circumstances, Condition, Topic
from ostiary.trust.policy import Policy, PolicyRule

_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a signer's clock may be."""
_WORST_FIRST: Final = (TRUST_REVOKED, TRUST_EXPIRED, TRUST_NOT_YET_VALID)


@dataclass(frozen=True, slots=True)
class Count:
    """The signatures that count, and whether they are enough."""

    vouchings: tuple[Vouching, ...]
    """The longest lasting first."""
    condition: Condition
    need: int

    @property
    def needed(self) -> tuple[Vouching, ...]:
        return self.vouchings[: self.need]


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Why a signature does not count."""

    code: Code
    clause: str


def count_signers(
    policy: Policy,
    rule: PolicyRule,
    evidence: Evidence,
    circumstances: Circumstances,
    vouchings: Iterable[Vouching],
) -> Count:
    """Signatures for this id and version, as far as they count towards the rule's number."""
    standing: dict[str, dict[str, Vouching]] = {}
    doubts: list[_Doubt] = []
    for vouching in sorted(vouchings, key=_order_of):
        name = _name_of(policy, rule, vouching.signer)
        doubt = _doubt(policy, rule, circumstances, vouching, name)
        if doubt is not None:
            doubts.append(doubt)
        elif name is not None:
            standing.setdefault(name, {}).setdefault(vouching.signer.key_id, vouching)
    counted = _match_names_to_keys(standing)
    vouchings = tuple(sorted(counted.values(), key=_order_of))
    return Count(vouchings, _conclude(rule, evidence, counted, doubts), rule.need)


def _match_names_to_keys(standing: dict[str, dict[str, Vouching]]) -> dict[str, Vouching]:
    """A largest set of pairs in which no name and no key stands twice (by augmenting paths)."""
    holder: dict[str, str] = {}

    def place(name: str, tried: set[str]) -> bool:
        for key_id in standing[name]:
            if key_id in tried:
                continue
            tried.add(key_id)
            if key_id not in holder or place(holder[key_id], tried):
                holder[key_id] = name
                return True
        return False

    for name in standing:
        place(name, set())
    return {name: standing[name][key_id] for key_id, name in holder.items()}


def _order_of(vouching: Vouching) -> tuple[bool, float, str, str]:
    """The signature that lasts longest first, so that of two by one person that one counts."""
    end = vouching.statement.expires_at
    return (end is not None, -end.timestamp() if end is not None else 0.0, vouching.signer.name, vouching.path)


def _name_of(policy: Policy, rule: PolicyRule, signer: Signer) -> str | None:
    return next((name for name in rule.signers if policy.signers[name].is_meant_by(signer)), None)


def _doubt(
    policy: Policy, rule: PolicyRule, circumstances: Circumstances, vouching: Vouching, name: str | None
) -> _Doubt | None:
    statement, signer = vouching.statement, vouching.signer
    if name is None:
        called = next((n for n, s in policy.signers.items() if s.is_meant_by(signer)), None)
        shown = called or quote_untrusted(signer.name, 60)
        return _Doubt(TRUST_WRONG_SIGNER, f"{shown} is not asked for this model")
    entry = (policy.revocations + circumstances.revocations).find_for_signer(signer)
    if entry is not None:
        return _Doubt(TRUST_REVOKED, f"{name}: {quote_untrusted(entry.sentence, 400)}")
    if statement.expires_at is not None and statement.expires_at <= circumstances.now:
        return _Doubt(TRUST_EXPIRED, f"{name}'s signature expired on {statement.expires_at:%Y-%m-%d}")
    if statement.signed_at is not None and statement.signed_at - _CLOCK_SKEW > circumstances.now:
        return _Doubt(TRUST_NOT_YET_VALID, f"{name}'s signature is of {statement.signed_at:%Y-%m-%d}, the future")
    if statement.model_id is None and not rule.unnamed:
        return _Doubt(TRUST_WRONG_SIGNER, f"{name}'s signature names no model")
    return None


def _conclude(
    rule: PolicyRule, evidence: Evidence, counted: dict[str, Vouching], doubts: list[_Doubt]
) -> Condition:
    asked = f"{rule.need} of {', '.join(rule.signers)}"
    names = ", ".join(sorted(counted))
    if len(counted) >= rule.need:
        return Condition(Topic.SIGNERS, asked, names)
    if not evidence.vouchings and not evidence.unknown:
        remedy = f"Have it signed by {rule.need} of {', '.join(rule.signers)}."
        return Condition(Topic.SIGNERS, asked, "no signature", TRUST_UNSIGNED, remedy)
    codes = {doubt.code.name for doubt in doubts} | {unknown.code for unknown in evidence.unknown}
    code = next((code for code in _WORST_FIRST if code.name in codes), TRUST_WRONG_SIGNER)
    clauses = [doubt.clause for doubt in doubts]
    clauses += [f"{quote_untrusted(u.path, 60)}: {quote_untrusted(u.reason)}" for u in evidence.unknown]
    missing = [name for name in rule.signers if name not in counted]
    remedy = f"A signature by {rule.need - len(counted)} of {', '.join(missing)} for this id and version would do."
    if code is TRUST_REVOKED:
        remedy = "Have it signed by somebody whose key still stands, and let the rule name them."
    found = "; ".join([f"only {names}" if names else "none of them", *dict.fromkeys(clauses)])
    return Condition(Topic.SIGNERS, asked, found, code, remedy)
