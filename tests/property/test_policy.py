"""A policy only gives: whatever part of it is lost or ignored, no no becomes a yes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from policy_cases import CODE, DAY, IDENTITY, ISSUER, KEY_IDS, NOW, PEMS, ROOT, at, gather, policy_text, seen, vouch
from toml_text import write_toml

from ostiary.core.tickets import FileKind
from ostiary.errors import TrustRefused
from ostiary.trust.decide import explain
from ostiary.trust.evidence import Evidence
from ostiary.trust.explanation import Circumstances
from ostiary.trust.read_policy import parse_policy

Tree = dict[str, Any]
Path = tuple[str | int, ...]

_IDS = ["acme/llama", "acme/secret", "bob/x", "other"]
_PATTERNS = ["*", "acme/*", "acme/s*", "acme/llama", "acme/secret", "bob/*", "bob/x"]
_NAMES = ["alice", "bob", "carol", "ci"]
_VERSIONS = ["0.9", "1.0-rc.1", "1", "1.2", "2"]
_LEVELS = st.sampled_from(["enforce", "warn", "audit"])
_REVOKED_AT = NOW - 30 * DAY


def _some(values: list[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, unique=True)


def _mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Near to a yes, so that one part of the policy decides."""
    return st.sampled_from([usual] * (3 * len(others)) + list(others))


@st.composite
def _rules(draw: st.DrawFn) -> list[Tree]:
    patterns = draw(_some(_PATTERNS, 1))
    rules = []
    for pattern in patterns:
        signers = draw(_some(_NAMES, 1))
        rule: Tree = {
            "models": pattern,
            "signers": signers,
            "need": draw(_mostly(len(signers), *range(1, len(signers) + 1))),
            "minimum_version": draw(_mostly("1", "any", *_VERSIONS)),
            "formats": draw(_mostly(["safetensors"], [], ["safetensors", "gguf"])),
            "sources": draw(_mostly(["/srv/models", "hub:acme/*"], [], ["/srv"], ["anywhere"])),
        }
        within = [p for p in patterns if p != pattern and pattern.endswith("*") and p.startswith(pattern[:-1])]
        if within:
            rule["except"] = within
        optional = {"code": st.just([CODE.rule]), "unnamed": st.booleans(), "level": _LEVELS}
        optional["first_use"] = st.sampled_from(["ask", "accept"])
        rule.update({name: draw(value) for name, value in optional.items() if draw(st.booleans())})
        rules.append(rule)
    return rules


_REVOCATIONS = st.one_of(
    st.fixed_dictionaries({"kind": st.just("key"), "sha256": st.sampled_from([*KEY_IDS.values(), "99" * 32])}),
    st.just({"kind": "root", "sha256": ROOT}),
    st.just({"kind": "identity", "identity": IDENTITY}),
    st.fixed_dictionaries(
        {"kind": st.just("version"), "model": st.sampled_from(_IDS), "version": st.sampled_from(_VERSIONS)}
    ),
)


@st.composite
def _policies(draw: st.DrawFn) -> Tree:
    entries = [
        {**entry, "revoked_at": _REVOKED_AT, "reason": "lost"} for entry in draw(st.lists(_REVOCATIONS, max_size=2))
    ]
    signers: Tree = {name: {"kind": "key", "public_key": pem} for name, pem in PEMS.items()}
    signers["ci"] = {"kind": "sigstore", "identity": IDENTITY, "issuer": ISSUER}
    top: Tree = {"schema": 1, "signers": signers, "rules": draw(_rules()), "revoked": {"count": len(entries)}}
    if entries:
        top["revoked"]["entries"] = entries
    if draw(st.booleans()):
        top["level"] = draw(_LEVELS)
    return top


_VOUCHINGS = st.builds(
    vouch,
    st.sampled_from(_NAMES),
    model_id=_mostly("acme/llama", None, *_IDS),
    model_version=_mostly("1.2", None, *_VERSIONS),
    expires_at=_mostly(None, NOW - DAY, NOW + DAY),
    signed_at=_mostly(None, NOW + DAY),
    findings=_mostly((CODE,), ()),
)
_KINDS = {"model.safetensors": FileKind.SAFETENSORS, "m.gguf": FileKind.GGUF}


@st.composite
def _evidence(draw: st.DrawFn) -> Evidence:
    kinds = draw(_mostly(["model.safetensors"], ["m.gguf"], list(_KINDS)))
    return gather(
        vouchings=tuple(draw(st.lists(_VOUCHINGS, max_size=4))),
        kinds={path: _KINDS[path] for path in kinds},
        findings=draw(_mostly((), (CODE,))),
        source=draw(_mostly("/srv/models/x", "hub:acme/llama", "/mnt/x", "")),
    )


_CIRCUMSTANCES = st.builds(
    at,
    asked_id=_mostly(None, *_IDS),
    memory=_mostly(seen("1.2"), {}, seen("0.9", "ef" * 32), seen("1.3"), seen(None)),
)


def _list_places(node: Any, above: Path = ()) -> Iterator[Path]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        yield (*above, name)
        yield from _list_places(value, (*above, name))


def _without(tree: Tree, places: list[Path]) -> Tree:
    """The tree without these parts; deeper and later ones first, so that no index moves."""
    left = copy.deepcopy(tree)
    for place in sorted(
        places, key=lambda p: [(isinstance(part, str), str(part).rjust(4)) for part in p], reverse=True
    ):
        node: Any = left
        try:
            for part in place[:-1]:
                node = node[part]
            del node[place[-1]]
        except (KeyError, IndexError):
            continue
    return left


def _is_yes(tree: Tree, evidence: Evidence, circumstances: Circumstances) -> bool:
    try:
        return explain(parse_policy(write_toml(tree)), evidence, circumstances).is_yes
    except TrustRefused:
        return False


@settings(max_examples=150, deadline=None)
@given(_policies(), _evidence(), _CIRCUMSTANCES, st.data())
def test_losing_any_parts_never_turns_a_no_into_a_yes(
    tree: Tree, evidence: Evidence, circumstances: Circumstances, data: st.DataObject
) -> None:
    parse_policy(write_toml(tree))
    assume(not _is_yes(tree, evidence, circumstances))
    places = list(_list_places(tree))
    lost = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4, unique=True))
    assert not _is_yes(_without(tree, lost), evidence, circumstances)


@settings(max_examples=25, deadline=None)
@given(_policies(), _evidence(), _CIRCUMSTANCES)
def test_losing_each_part_alone_never_turns_a_no_into_a_yes(
    tree: Tree, evidence: Evidence, circumstances: Circumstances
) -> None:
    assume(not _is_yes(tree, evidence, circumstances))
    for place in _list_places(tree):
        assert not _is_yes(_without(tree, [place]), evidence, circumstances), place


@settings(max_examples=80, deadline=None)
@given(_policies(), _evidence(), _CIRCUMSTANCES, st.data())
def test_losing_a_signature_never_turns_a_no_into_a_yes(
    tree: Tree, evidence: Evidence, circumstances: Circumstances, data: st.DataObject
) -> None:
    assume(evidence.vouchings and not _is_yes(tree, evidence, circumstances))
    kept = data.draw(st.sets(st.sampled_from(range(len(evidence.vouchings)))))
    fewer = gather(
        vouchings=tuple(evidence.vouchings[index] for index in sorted(kept)),
        kinds=evidence.kinds,
        findings=evidence.findings,
        source=evidence.source,
    )
    assert not _is_yes(tree, fewer, circumstances)


@settings(max_examples=80, deadline=None)
@given(_policies(), _evidence(), _CIRCUMSTANCES)
def test_time_only_takes_away(tree: Tree, evidence: Evidence, circumstances: Circumstances) -> None:
    """Where nothing is from the future."""
    assume(all(v.statement.signed_at is None for v in evidence.vouchings))
    later = Circumstances(circumstances.now + timedelta(days=900), circumstances.asked_id, circumstances.memory)
    assert _is_yes(tree, evidence, circumstances) or not _is_yes(tree, evidence, later)


@settings(max_examples=60, deadline=None)
@given(_policies(), _evidence(), _CIRCUMSTANCES)
def test_every_answer_explains_itself(tree: Tree, evidence: Evidence, circumstances: Circumstances) -> None:
    answer = explain(parse_policy(write_toml(tree)), evidence, circumstances)
    assert all(c.asked and c.found and c.asked.isprintable() and c.found.isprintable() for c in answer.conditions)
    assert all(c.remedy for c in answer.failing)
    if answer.is_yes:
        assert answer.decision().rule == answer.rule
    else:
        with pytest.raises(TrustRefused):
            answer.decision()


_WHOLE = policy_text()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(_WHOLE)), st.integers(0, 40), st.binary(max_size=12))
def test_any_bytes_are_a_policy_or_a_refusal(start: int, length: int, instead: bytes) -> None:
    try:
        parse_policy(_WHOLE[:start] + instead + _WHOLE[start + length :])
    except TrustRefused as refused:
        if not refused.message.isprintable():
            raise AssertionError(refused.message) from refused


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(_WHOLE)))
def test_a_policy_that_was_cut_off_lets_in_no_more(length: int) -> None:
    no = gather(vouch("carol"))
    try:
        policy = parse_policy(_WHOLE[:length])
    except TrustRefused:
        return
    assert not explain(policy, no, at()).is_yes
