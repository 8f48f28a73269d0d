"""What a policy says, for people. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.cli.ui import paint
from ostiary.core.text import quote_untrusted
from ostiary.trust.explanation import Explanation, Remembered, Verdict

if TYPE_CHECKING:
    from ostiary.library.belief import Belief
    from ostiary.trust.policy import Policy, PolicyRule, PolicySigner

_STYLES: Final = {
    Verdict.ALLOWED: "green",
    Verdict.WARNED: "yellow",
    Verdict.AUDITED: "yellow",
    Verdict.REFUSED: "red",
}
_INDENT: Final = " " * 16


def render_answer(answer: Explanation, origin: str, *, color: bool, width: int) -> list[str]:
    """Which rule decides, every condition with its outcome, and what would change the answer."""
    name = "a model without a name" if answer.model_id is None else quote_untrusted(answer.model_id)
    version = "" if answer.version is None else f" {answer.version}"
    lines = [paint(f"{name}{version}", "bold", enabled=color)]
    lines.append(f"  rule          {answer.rule} of {origin}, level {answer.level}")
    for condition in answer.conditions:
        mark = paint("yes", "green", enabled=color) if condition.holds else paint("no ", "red", enabled=color)
        lines += _wrap(f"  {mark} {condition.topic:<9}", f"asked: {condition.asked}", width, 16)
        lines += _wrap(_INDENT, f"found: {condition.found}", width, 16)
        if condition.remedy:
            lines += _wrap(_INDENT, f"change: {condition.remedy}", width, 16)
    code = "" if not answer.failing or answer.failing[0].code is None else f" ({answer.failing[0].code.name})"
    return [*lines, "", paint(str(answer.verdict), _STYLES[answer.verdict], enabled=color) + code]


def render_policy(belief: Belief, memory: Mapping[str, Remembered]) -> list[str]:
    """Signers, rules, revocations and what is remembered."""
    policy = belief.policy
    lines = [f"{belief.origin}: level {policy.level}, sha256:{policy.sha256}"]
    if belief.expires_at is not None:
        lines.append(f"what was fetched is good until {belief.expires_at:%Y-%m-%d %H:%M} UTC")
    lines += ["", "signers"] + [f"  {name:<16}{_describe_signer(s)}" for name, s in policy.signers.items()]
    lines += ["", "rules"] + [line for rule in policy.rules for line in _render_rule(policy, rule)]
    lines.append(
        "  everything else is refused" if policy.level == "enforce" else f"  everything else: {policy.level}"
    )
    entries = (policy.revocations + belief.revocations).entries
    lines += ["", "revoked"] + [f"  {quote_untrusted(entry.sentence, 400)}" for entry in entries]
    lines += ["", "remembered"]
    for name, seen in sorted(memory.items()):
        pinned = "  pinned" if seen.is_pinned else ""
        lines.append(f"  {name:<32}{seen.version or 'no version'!s:<16}sha256:{seen.root[:16]}{pinned}")
    return lines


def _render_rule(policy: Policy, rule: PolicyRule) -> Iterator[str]:
    minimum = "any version" if rule.minimum_version is None else f"version {rule.minimum_version} or newer"
    level = policy.level_of(rule)
    told = "" if level == "enforce" else f", {level} only"
    yield f"  {rule.name:<24}{rule.need} of {', '.join(rule.signers)}, {minimum}{told}"
    places = ", ".join(source.text for source in rule.sources)
    yield f"  {'':<24}{', '.join(sorted(rule.formats)) or 'no format'} from {places or 'nowhere'}"
    if rule.exceptions:
        yield f"  {'':<24}except {', '.join(exception.text for exception in rule.exceptions)}"
    if rule.code:
        yield f"  {'':<24}with code: {', '.join(sorted(rule.code))}"


def _describe_signer(signer: PolicySigner) -> str:
    from ostiary.trust.policy import CertificateSigner, KeySigner

    if isinstance(signer, KeySigner):
        return f"key {signer.key.key_id}"
    if isinstance(signer, CertificateSigner):
        return f"certificate of {quote_untrusted(signer.identity)}"
    return f"{quote_untrusted(signer.identity)}, as {quote_untrusted(signer.issuer)} says"


def _wrap(first: str, text: str, width: int, indent: int) -> list[str]:
    # The first column may hold colour, which has no width.
    lines = textwrap.wrap(text, max(width - indent, 40), break_on_hyphens=False) or [""]
    return [f"{first}{lines[0]}" if first.strip() == "" else f"{first} {lines[0]}"] + [
        f"{' ' * indent}{line}" for line in lines[1:]
    ]
