"""An edit changes what it says and nothing else: comments and layout stay, and what cannot be edited is left alone."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_cases import KEY_IDS, PEMS, policy_text, revoked_text, rule_text

from ostiary.errors import Misuse, OstiaryError, TrustRefused
from ostiary.trust.edit_policy import NEW_POLICY, add_revocation, add_rule, add_signer
from ostiary.trust.read_policy import parse_policy

NEW = NEW_POLICY.encode()
KEY = {"kind": "key", "public_key": PEMS["alice"]}
RULE = {
    "models": "acme/*",
    "signers": ["alice"],
    "need": 1,
    "minimum_version": "1.0",
    "formats": ["safetensors"],
    "sources": ["/srv/models"],
}
REVOKED = {
    "kind": "key",
    "sha256": KEY_IDS["alice"],
    "revoked_at": datetime(2026, 5, 1, tzinfo=UTC),
    "reason": 'stolen, says "Bob"',
}


def _has_all_lines(before: bytes, after: bytes, but: int = 0) -> bool:
    """Every old line is still there, in order, save for as many as were replaced."""
    left = iter(after.decode().split("\n"))
    return sum(line not in left for line in before.decode().rstrip("\n").split("\n")) <= but


def test_a_new_policy_is_a_policy_that_allows_nothing() -> None:
    policy = parse_policy(NEW)
    assert policy.rules == ()
    assert policy.signers == {}


def test_from_nothing_to_a_whole_policy() -> None:
    data = add_revocation(add_rule(add_signer(NEW, "alice", KEY), RULE), REVOKED)
    policy = parse_policy(data)
    assert policy.find_rule("acme/llama") is not None
    assert policy.revocations.entries[0].reason == 'stolen, says "Bob"'
    assert _has_all_lines(NEW, data, but=1)
    assert b"# How many entries follow" in data


def test_comments_and_layout_stay() -> None:
    before = policy_text(head="# first comment\n   level   =  'warn' # why").replace(
        b"count = 0", b"  count=0   # none yet"
    )
    after = add_revocation(before, REVOKED)
    assert b"  count=1   # none yet" in after
    assert _has_all_lines(before, after, but=1)
    assert add_signer(
        policy_text() + b"# the end", "dora.x", {"kind": "sigstore", "identity": "d", "issuer": "https://i"}
    )


def test_windows_line_ends_stay() -> None:
    before = policy_text().replace(b"\n", b"\r\n")
    after = add_revocation(before, REVOKED)
    assert b"count = 1\r\n" in after


def test_a_narrower_rule_is_excepted_from_the_wider_one() -> None:
    one = add_rule(policy_text(), {**RULE, "models": "acme/secret", "need": 1})
    assert tomllib.loads(one.decode())["rules"][0]["except"] == ["acme/secret"]
    two = add_rule(one, {**RULE, "models": "acme/other-*"})
    assert tomllib.loads(two.decode())["rules"][0]["except"] == ["acme/secret", "acme/other-*"]
    wider = add_rule(two, {**RULE, "models": "*"})
    assert set(tomllib.loads(wider.decode())["rules"][-1]["except"]) == {"acme/*", "acme/secret", "acme/other-*"}
    assert parse_policy(wider).find_rule("acme/secret") == parse_policy(wider).rules[1]


@pytest.mark.parametrize(
    "edit",
    [
        lambda: add_signer(policy_text(), "alice", KEY),
        lambda: add_rule(policy_text(), RULE),
        lambda: add_revocation(add_revocation(NEW, REVOKED), REVOKED),
    ],
)
def test_what_is_there_already(edit: object) -> None:
    with pytest.raises(Misuse):
        edit()  # type: ignore[operator]


@pytest.mark.parametrize(
    "edit",
    [
        lambda: add_signer(policy_text(), "twin", KEY),
        lambda: add_signer(NEW, "Alice", KEY),
        lambda: add_rule(NEW, RULE),
        lambda: add_rule(policy_text(), {**RULE, "models": "b", "need": 2}),
        lambda: add_revocation(NEW, {**REVOKED, "sha256": "x"}),
        lambda: add_revocation(b"not a policy", REVOKED),
    ],
)
def test_what_would_be_no_policy_is_refused(edit: object) -> None:
    with pytest.raises(TrustRefused):
        edit()  # type: ignore[operator]


def test_what_cannot_be_edited_is_said() -> None:
    inline = b"schema = 1\nrevoked = {count = 0}\n"
    with pytest.raises(Misuse) as misuse:
        add_revocation(inline, REVOKED)
    assert "by hand" in misuse.value.hint
    dotted = b"schema = 1\nrevoked.count = 0\n"
    with pytest.raises(Misuse):
        add_revocation(dotted, REVOKED)
    many_lines = policy_text(rule_text(excepting='[\n"acme/x"]'), rule_text(models='"acme/x"'))
    with pytest.raises(Misuse):
        add_rule(many_lines, {**RULE, "models": "acme/y"})


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=40))
def test_any_reason_is_kept_or_refused(reason: str, comment: str) -> None:
    head = "# " + "".join(c for c in comment if c.isprintable())
    try:
        data = add_revocation(policy_text(head=head), {**REVOKED, "reason": reason})
    except OstiaryError:
        return
    assert parse_policy(data).revocations.entries[0].reason == reason


def test_text_in_a_string_is_not_taken_for_a_table() -> None:
    trap = "sources = ['/srv/models']\n"
    text = policy_text(revoked=revoked_text()).replace(b"schema = 1\n", b'schema = 1\nlevel = """\nwarn"""\n')
    assert trap
    assert parse_policy(text.replace(b'"""\nwarn"""', b'"warn"'))
    with pytest.raises(OstiaryError):
        add_rule(text.replace(b'"""\nwarn"""', b'"""\n[revoked]\ncount = 0\n"""'), RULE)
