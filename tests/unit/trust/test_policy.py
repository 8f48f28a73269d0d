"""The policy reader: everything it should read, and everything it must not."""

from __future__ import annotations

import pytest
from policy_cases import (
    CI_TABLE,
    IDENTITY,
    KEY_IDS,
    NOTHING_REVOKED,
    PEMS,
    SIGNERS,
    policy_text,
    revoked_text,
    rule_text,
)

from ostiary.errors import TrustRefused
from ostiary.trust.decision import Level
from ostiary.trust.evidence import Signer, SignerMethod
from ostiary.trust.material import TrustMaterial
from ostiary.trust.policy import FirstUse, KeySigner, SigstoreSigner
from ostiary.trust.read_policy import parse_policy
from ostiary.trust.revocation import RevocationKind, parse_revocations


def _refuse(data: bytes) -> TrustRefused:
    with pytest.raises(TrustRefused) as refused:
        parse_policy(data)
    assert "\n" not in refused.value.message
    return refused.value


def test_a_whole_policy() -> None:
    policy = parse_policy(policy_text(head="# whom we believe\nlevel = 'warn'"))
    assert set(policy.signers) == {"alice", "bob", "carol", "ci"}
    assert isinstance(policy.signers["alice"], KeySigner)
    assert isinstance(policy.signers["ci"], SigstoreSigner)
    assert policy.signers["ci"].identity == IDENTITY
    assert policy.level is Level.WARN
    assert policy.find_rule("acme/llama") is policy.rules[0]
    assert policy.find_rule("other/llama") is None
    assert policy.rules[0].signers == ("alice", "bob")
    assert len(policy.material.keys) == 3
    assert policy.material.use_sigstore


def test_what_is_left_out_is_the_strictest() -> None:
    rule = parse_policy(policy_text(rule_text(first_use=None))).rules[0]
    assert rule.level is Level.ENFORCE
    assert rule.first_use is FirstUse.ASK
    assert rule.code == frozenset()
    assert not rule.unnamed


def test_windows_line_ends_are_read() -> None:
    assert parse_policy(policy_text().replace(b"\n", b"\r\n")).rules


@pytest.mark.parametrize("name", ["models", "signers", "need", "minimum_version", "formats", "sources"])
def test_a_missing_field_is_refused_with_its_place(name: str) -> None:
    assert _refuse(policy_text(rule_text(**{name: None}))).message == f"policy: rules[1].{name}: missing"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (policy_text(head="levle = 'warn'"), "policy: levle: there is no such field"),
        (policy_text(rule_text(treshold="2")), "policy: rules[1].treshold: there is no such field"),
        (policy_text(rule_text(), rule_text(models='"b"', x="1")), "policy: rules[2].x: there is no such field"),
        (
            policy_text().replace(b'kind = "key"', b'kind = "key"\nnote = ""', 1),
            "policy: signers.alice.note: there is",
        ),
        (policy_text(revoked="[revoked]\ncount = 0\nsince = 1\n"), "policy: revoked.since: there is no such field"),
        (policy_text(head='"a\\nb" = 1'), "policy: a\\nb: there is no such field"),
    ],
)
def test_an_unknown_key_is_refused_with_its_place(data: bytes, place: str) -> None:
    assert _refuse(data).message.startswith(place)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"need": "3"}, "can never be met"),
        ({"need": "0"}, "not between"),
        ({"need": "true"}, "not a whole number"),
        ({"need": "1.0"}, "not a whole number"),
        ({"signers": '["alice", "dave"]'}, "there is no signer 'dave'"),
        ({"signers": '["alice", "alice"]', "need": "2"}, "stands there twice"),
        ({"signers": "[]"}, "can never be met"),
        ({"signers": '"alice"'}, "not a list"),
        ({"formats": '["pickle"]'}, "is none of"),
        ({"formats": '["*"]'}, "is none of"),
        ({"minimum_version": '"latest"'}, "is not a version"),
        ({"minimum_version": "1.0"}, "not a text"),
        ({"sources": '["models"]'}, "is not a source"),
        ({"models": '["acme/*"]'}, "not a text"),
        ({"models": '"acme/*/x"'}, "is not a pattern"),
        ({"code": '["*"]'}, "not the id of a rule"),
        ({"code": "true"}, "not a list"),
        ({"unnamed": '"yes"'}, "not true or false"),
        ({"level": '"off"'}, "is none of"),
        ({"first_use": '"no"'}, "is none of"),
    ],
)
def test_a_wrong_value_is_refused(fields: dict[str, str], what: str) -> None:
    refused = _refuse(policy_text(rule_text(**fields)))
    assert what in refused.message
    assert refused.code == "TRUST_MALFORMED"


def test_one_person_under_two_names_is_refused() -> None:
    twin = f'[signers.twin]\nkind = "key"\npublic_key = """\n{PEMS["alice"]}"""\n'
    assert "the same signer as 'alice'" in _refuse(policy_text() + twin.encode()).message
    other = CI_TABLE.replace("signers.ci", "signers.ci2").replace("token.actions", "accounts")
    assert "the same signer as 'ci'" in _refuse(policy_text() + other.encode()).message


def test_a_private_key_is_refused_and_not_shown() -> None:
    private = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    refused = _refuse(policy_text() + f'[signers.x]\nkind = "key"\npublic_key = """\n{private}"""\n'.encode())
    assert "private key" in refused.message
    assert "c2VjcmV0" not in refused.message + refused.hint


@pytest.mark.parametrize("fields", ['kind = "key"', 'kind = "gpg"\nfinger = "x"', 'kind = "key"\npublic_key = "x"'])
def test_a_wrong_signer_is_refused(fields: str) -> None:
    assert "signers.x" in _refuse(policy_text() + f"[signers.x]\n{fields}\n".encode()).message


def test_patterns_that_overlap_are_refused_unless_said() -> None:
    wide, narrow = rule_text(), rule_text(models='"acme/secret"', need="2")
    assert "speak for the same models" in _refuse(policy_text(wide, narrow)).message
    assert "speak for the same models" in _refuse(policy_text(narrow, wide)).message
    assert "speak for the same models" in _refuse(policy_text(wide, wide)).message
    policy = parse_policy(policy_text(rule_text(excepting='["acme/secret"]'), narrow))
    assert policy.find_rule("acme/secret") is policy.rules[1]
    assert policy.find_rule("acme/other") is policy.rules[0]


def test_an_exception_needs_its_own_rule() -> None:
    assert "no rule of its own" in _refuse(policy_text(rule_text(excepting='["acme/secret"]'))).message
    out = policy_text(rule_text(excepting='["b/*"]'), rule_text(models='"b/*"'))
    assert "is not within" in _refuse(out).message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"schema = 1",
        policy_text().replace(b"schema = 1", b"schema = 2"),
        policy_text().replace(b"schema = 1", b"schema = true"),
        policy_text(revoked=""),
        policy_text(revoked="[revoked]\n"),
        policy_text(revoked="[revoked]\ncount = 1\n"),
        policy_text(revoked="revoked = 1\n"),
        policy_text(head="signers = []"),
        policy_text() + b"[[rules]]\n[[rules",
        policy_text() + b"\xff",
        b"\xef\xbb\xbf" + policy_text(),
        policy_text(head="# \u202e evil"),
        policy_text(head="# bell \x07"),
        policy_text(head="x = 1\r"),
        policy_text(head="x = " + "9" * 4_000),
        policy_text(head="x = " + "[\n" * 4_000),
        policy_text(head="x = " + "{a=" * 1_300),
        policy_text(head="x = 9999-99-99"),
        policy_text(head="schema = 1"),
    ],
)
def test_what_is_no_policy_is_refused(data: bytes) -> None:
    assert _refuse(data).code == "TRUST_MALFORMED"


@pytest.mark.parametrize(
    "data",
    [b"#" * 300_000, policy_text(head="x = '" + "y" * 5_000 + "'"), policy_text(head=".".join("a" * 200) + " = 1")],
)
def test_what_is_too_large_is_refused(data: bytes) -> None:
    assert _refuse(data).code == "TRUST_TOO_LARGE"


def test_revocations_of_every_kind() -> None:
    text = revoked_text(
        f'kind = "key"\nsha256 = "{"0" * 64}"',
        f'kind = "root"\nsha256 = "{"1" * 64}"',
        'kind = "identity"\nidentity = "mallory@example.com"',
        'kind = "version"\nmodel = "acme/llama"\nversion = "1.1"',
    )
    entries = parse_policy(policy_text(revoked=text)).revocations.entries
    assert [entry.kind for entry in entries] == [RevocationKind(k) for k in "key root identity version".split()]
    assert entries[0].sentence == f"key {'0' * 64} was revoked on 2026-05-01: the laptop was stolen"
    assert parse_revocations(f"schema = 1\n{text}".encode()).entries == entries


@pytest.mark.parametrize(
    "text",
    [
        revoked_text('kind = "key"\nsha256 = "ABCD"'),
        revoked_text(f'kind = "key"\nsha256 = "{"A" * 64}"'),
        revoked_text('kind = "person"'),
        revoked_text('kind = "version"\nmodel = "acme/llama"'),
        revoked_text('kind = "version"\nmodel = "acme/*"\nversion = "1"'),
        revoked_text(f'kind = "root"\nsha256 = "{"1" * 64}"', count=2),
        revoked_text(f'kind = "root"\nsha256 = "{"1" * 64}"', count=0),
        revoked_text(f'kind = "root"\nsha256 = "{"1" * 64}"').replace("00:00:00Z", "00:00:00"),
        revoked_text(f'kind = "root"\nsha256 = "{"1" * 64}"').replace(
            "2026-05-01T00:00:00Z", "0001-01-01T00:00:00+23:00"
        ),
        revoked_text(f'kind = "root"\nsha256 = "{"1" * 64}"').replace("the laptop", "\\n"),
        revoked_text(f'kind = "root"\nsha256 = "{"1" * 64}"').replace('reason = "the laptop was stolen"\n', ""),
    ],
)
def test_wrong_revocations_are_refused(text: str) -> None:
    assert "revoked" in _refuse(policy_text(revoked=text)).message


def test_revocations_from_elsewhere_are_as_strict() -> None:
    for data in (
        NOTHING_REVOKED,
        f"schema = 1\n{NOTHING_REVOKED}rules = 1",
        "schema = 1",
        "schema = 1\nx = 1\n" + NOTHING_REVOKED,
    ):
        with pytest.raises(TrustRefused):
            parse_revocations(data.encode())


def test_who_is_believed_is_whom_the_policy_names_and_did_not_revoke() -> None:
    """Who says a better no, that is; a yes is never made of it."""
    revoked = revoked_text(f'kind = "key"\nsha256 = "{KEY_IDS["bob"]}"')
    material = parse_policy(policy_text(revoked=revoked)).material
    stranger = Signer(SignerMethod.SIGSTORE, "c1" * 32, IDENTITY, "https://elsewhere.example")
    believed = [name for name, signer in {**SIGNERS, "stranger": stranger}.items() if material.is_believed(signer)]
    assert believed == ["alice", "carol", "ci"]
    assert TrustMaterial().is_believed(stranger)  # whoever's signature is right was named
