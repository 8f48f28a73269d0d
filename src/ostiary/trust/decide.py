"""Step 7: policy + evidence + circumstances -> answer. Pure: no I/O, no clock; one question has one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ostiary.core.model_id import is_model_id
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass
from ostiary.errors import (
    TRUST_BELOW_MINIMUM,
    TRUST_CODE_NOT_ALLOWED,
    TRUST_FORMAT_NOT_ALLOWED,
    TRUST_NO_RULE,
    TRUST_NOT_PINNED,
    TRUST_REVOKED,
    TRUST_ROLLED_BACK,
    TRUST_SOURCE_NOT_ALLOWED,
    TRUST_WRONG_MODEL,
    TrustRefused,
)
from ostiary.trust.count_signers import Count, count_signers
from ostiary.trust.decision import Decision
from ostiary.trust.evidence import Evidence, Vouching
from ostiary.trust.explanation import NO_RULE, Circumstances, Condition, Explanation, Remembered, Topic
from ostiary.trust.policy import FirstUse, Policy, PolicyRule
from ostiary.trust.version import Version, parse_version

_HARMLESS: Final = frozenset(
    {
        FileKind.INDEX,
        FileKind.CONFIG,
        FileKind.GENERATION_CONFIG,
        FileKind.TOKENIZER,
        FileKind.TOKENIZER_CONFIG,
        FileKind.SENTENCEPIECE,
        FileKind.VOCABULARY,
        FileKind.CHAT_TEMPLATE,
        FileKind.ADAPTER_CONFIG,
        FileKind.JSON,
        FileKind.SIGNATURE,
        FileKind.DOCUMENT,
        FileKind.UNKNOWN,
    }
)
"""Kinds that every rule lets in: intake judged them. Weights and whatever runs must be allowed by name."""


_OLDEST: Final = parse_version("0")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One id and version under which the model could be let in, and who says that it is this."""

    model_id: str | None
    version: Version | None
    vouchings: tuple[Vouching, ...]


def decide(policy: Policy, evidence: Evidence, circumstances: Circumstances) -> Decision:
    """The yes, or a refusal that names what failed first."""
    return explain(policy, evidence, circumstances).decision()


def explain(policy: Policy, evidence: Evidence, circumstances: Circumstances) -> Explanation:
    """The best of what the policy says of each id and version that somebody signed.

    More signatures never turn a yes into a no, nor do more rules: each candidate is judged alone.
    """
    candidates = _list_candidates(evidence, circumstances)
    return min((_judge(policy, evidence, circumstances, candidate) for candidate in candidates), key=_rank)


def _rank(answer: Explanation) -> tuple[int, int, str]:
    """The best verdict first, then the one that is nearest to a yes."""
    misses = len(answer.failing) + (answer.rule == NO_RULE) * len(Topic)
    return answer.verdict.rank, misses, answer.model_id or ""


def _list_candidates(evidence: Evidence, circumstances: Circumstances) -> tuple[_Candidate, ...]:
    """Statements are grouped by what they say: two signers who name different versions do not agree."""
    asked = circumstances.asked_id
    groups: dict[tuple[str | None, Version | None], list[Vouching]] = {}
    for vouching in evidence.vouchings:
        statement = vouching.statement
        model_id = asked if statement.model_id is None else statement.model_id
        if (asked is not None and model_id != asked) or (model_id is not None and not is_model_id(model_id)):
            continue
        try:
            version = None if statement.model_version is None else parse_version(statement.model_version)
        except TrustRefused:
            continue
        groups.setdefault((model_id, version), []).append(vouching)
    newest_first = sorted(groups, key=lambda key: (key[1] is not None, key[1] or _OLDEST), reverse=True)
    found = tuple(_Candidate(*key, tuple(groups[key])) for key in newest_first)
    return found or (_Candidate(asked, None, ()),)


def _judge(policy: Policy, evidence: Evidence, circumstances: Circumstances, candidate: _Candidate) -> Explanation:
    model_id, version = candidate.model_id, candidate.version
    revoked = _check_revoked(policy, evidence, circumstances, candidate)
    rule = None if model_id is None else policy.find_rule(model_id)
    level = policy.level_of(rule)
    if rule is None or model_id is None:
        no_rule = (revoked, _explain_no_rule(evidence, circumstances, candidate))
        return Explanation(model_id, version, NO_RULE, level, no_rule, (), policy.sha256)
    count = count_signers(policy, rule, evidence, circumstances, candidate.vouchings)
    model = Condition(Topic.MODEL, f"a model id like {rule.name}", model_id)
    conditions = (
        revoked,
        model if candidate.vouchings else _check_asked(evidence, circumstances, model),
        count.condition,
        _check_version(rule, version),
        _check_memory(rule, evidence.root, version, circumstances.memory.get(model_id)),
        _check_source(rule, evidence.source),
        _check_formats(rule, evidence),
        _check_code(rule, evidence, count),
    )
    return Explanation(model_id, version, rule.name, level, conditions, count.needed, policy.sha256)


def _check_revoked(
    policy: Policy, evidence: Evidence, circumstances: Circumstances, candidate: _Candidate
) -> Condition:
    asked = "content and version that are not revoked"
    revocations = policy.revocations + circumstances.revocations
    entry = revocations.find_for_root(evidence.root)
    if entry is None and candidate.model_id is not None and candidate.version is not None:
        entry = revocations.find_for_version(candidate.model_id, candidate.version)
    if entry is None:
        return Condition(Topic.REVOKED, asked, "neither is")
    found = quote_untrusted(entry.sentence, 400)
    remedy = "Use another version of the model."
    return Condition(Topic.REVOKED, asked, found, TRUST_REVOKED, remedy, is_final=True)


def _explain_no_rule(evidence: Evidence, circumstances: Circumstances, candidate: _Candidate) -> Condition:
    asked = "a rule for the model"
    if candidate.model_id is None:
        found = "no signature that counts names the model, and nobody said which one it should be"
        remedy = "Say which model was asked for with --id, or have its id signed."
        return Condition(Topic.MODEL, asked, found, TRUST_NO_RULE, remedy)
    found = f"no rule is for {quote_untrusted(candidate.model_id)}"
    remedy = f"Add one: ostiary trust add rule {quote_untrusted(candidate.model_id)} ..."
    return _check_asked(evidence, circumstances, Condition(Topic.MODEL, asked, found, TRUST_NO_RULE, remedy))


def _check_asked(evidence: Evidence, circumstances: Circumstances, otherwise: Condition) -> Condition:
    """Signed, but under other names only than the one that was asked for: that is what went wrong first."""
    names = {v.statement.model_id for v in evidence.vouchings} - {None, circumstances.asked_id}
    if circumstances.asked_id is None or not names:
        return otherwise
    if any(v.statement.model_id in (None, circumstances.asked_id) for v in evidence.vouchings):
        return otherwise
    shown = ", ".join(sorted(quote_untrusted(str(name)) for name in names)[:3])
    asked = quote_untrusted(circumstances.asked_id)
    remedy = f"Fetch {asked} itself; this is another model."
    return Condition(Topic.MODEL, f"the model {asked}", f"it is signed as {shown}", TRUST_WRONG_MODEL, remedy)


def _check_version(rule: PolicyRule, version: Version | None) -> Condition:
    if rule.minimum_version is None:
        return Condition(Topic.VERSION, "any version", str(version) if version else "none is signed")
    asked = f"version {rule.minimum_version} or newer"
    if version is not None and version >= rule.minimum_version:
        return Condition(Topic.VERSION, asked, str(version))
    remedy = f"Fetch version {rule.minimum_version} or newer."
    if version is None:
        remedy = "Ask the publisher to sign a version, or set minimum_version = 'any' in the rule."
    found = "no version is signed" if version is None else f"version {version}"
    return Condition(Topic.VERSION, asked, found, TRUST_BELOW_MINIMUM, remedy)


def _check_memory(rule: PolicyRule, root: str, version: Version | None, seen: Remembered | None) -> Condition:
    asked = "nothing older than what was seen here"
    pin = "Look at it, then say yes: ostiary trust pin MODEL."
    if seen is None:
        if rule.first_use is FirstUse.ACCEPT:
            return Condition(Topic.MEMORY, asked, "it was never seen here, and the rule accepts that")
        found = "it was never seen here"
        return Condition(Topic.MEMORY, "a model that is known here", found, TRUST_NOT_PINNED, pin)
    if seen.root == root and seen.version == version:
        return Condition(Topic.MEMORY, asked, "the same as last time")
    if seen.version is None and version is None:
        found = "other content than last time, and no version says which is newer"
        return Condition(Topic.MEMORY, asked, found, TRUST_NOT_PINNED, pin)
    if version is None:
        return Condition(Topic.MEMORY, asked, f"no version, after {seen.version} was seen", TRUST_ROLLED_BACK, pin)
    if seen.version is None or version > seen.version:
        return Condition(Topic.MEMORY, asked, f"newer than {seen.version or 'what'}, which was seen")
    if version == seen.version:
        found = f"version {version} was seen here with other content"
        remedy = "Find out which of the two the publisher meant; then say so with `ostiary trust pin MODEL`."
        return Condition(Topic.MEMORY, asked, found, TRUST_ROLLED_BACK, remedy)
    found = f"version {version}, after {seen.version} was seen"
    remedy = f"Fetch version {seen.version} or newer; if the older one is wanted: ostiary trust pin MODEL."
    return Condition(Topic.MEMORY, asked, found, TRUST_ROLLED_BACK, remedy)


def _check_source(rule: PolicyRule, place: str) -> Condition:
    asked = "a model from " + (" or ".join(source.text for source in rule.sources) or "nowhere")
    found = quote_untrusted(place) or "it is not known where it came from"
    if any(source.admits(place) for source in rule.sources):
        return Condition(Topic.SOURCE, asked, found)
    remedy = "Fetch it from there, or add its place to the rule's `sources`."
    return Condition(Topic.SOURCE, asked, found, TRUST_SOURCE_NOT_ALLOWED, remedy)


def _check_formats(rule: PolicyRule, evidence: Evidence) -> Condition:
    asked = "files of " + (" or ".join(sorted(rule.formats)) or "no format at all")
    there = {kind: path for path, kind in sorted(evidence.kinds.items()) if kind not in _HARMLESS}
    wrong = sorted(kind for kind in there if kind not in rule.formats)
    if not wrong:
        return Condition(Topic.FORMATS, asked, ", ".join(sorted(there)) or "no weights")
    found = ", ".join(f"{kind} ({quote_untrusted(there[kind])})" for kind in wrong)
    remedy = "Convert the model, or add the format to the rule's `formats`."
    return Condition(Topic.FORMATS, asked, found, TRUST_FORMAT_NOT_ALLOWED, remedy)


def _check_code(rule: PolicyRule, evidence: Evidence, count: Count) -> Condition:
    asked = "no code" if not rule.code else f"no code but {', '.join(sorted(rule.code))}, named by the signers"
    found, remedy = next(_object_to_code(rule, evidence, count), ("", ""))
    if not found:
        known = ", ".join(sorted({finding.rule for finding in evidence.findings}))
        return Condition(Topic.CODE, asked, known or "none")
    return Condition(Topic.CODE, asked, found, TRUST_CODE_NOT_ALLOWED, remedy)


def _object_to_code(rule: PolicyRule, evidence: Evidence, count: Count) -> Iterator[tuple[str, str]]:
    for finding in evidence.findings:
        where = f"{finding.rule} in {quote_untrusted(finding.path)}"
        if finding.rule not in rule.code:
            yield where, f"Use a version without it, or add '{finding.rule}' to the rule's `code`."
        elif sum(finding in vouching.statement.findings for vouching in count.vouchings) < rule.need:
            yield f"{where}, of which the signers said nothing", "Ask the publisher to sign it with Ostiary."
