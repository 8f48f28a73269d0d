"""docs/reference/policy.schema.json says what the reader says, as far as a schema can."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from policy_cases import policy_text, revoked_text, rule_text

from ostiary.errors import TrustRefused
from ostiary.trust.read_policy import parse_policy

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "reference" / "policy.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
EVERY_REVOCATION = revoked_text(
    f'kind = "key"\nsha256 = "{"0" * 64}"',
    f'kind = "root"\nsha256 = "{"1" * 64}"',
    'kind = "identity"\nidentity = "mallory@example.com"',
    'kind = "version"\nmodel = "acme/llama"\nversion = "1.1"',
)
RULES = [
    {"need": "0"},
    {"need": '"1"'},
    {"need": None},
    {"models": '"acme/*/x"'},
    {"models": '"*"'},
    {"models": '"a/../b"'},
    {"minimum_version": '"1.0-rc.1"'},
    {"minimum_version": '"v1"'},
    {"minimum_version": '"any"'},
    {"formats": '["gguf", "npz", "npy", "mlxfn"]'},
    {"formats": '["pickle"]'},
    {"formats": "[]"},
    {"sources": '["https://mirror.example/models/", "anywhere", "/"]'},
    {"sources": '["https://mirror.example/models"]'},
    {"sources": '["models"]'},
    {"sources": '["/srv/"]'},
    {"code": '["code.active-document"]'},
    {"code": '["*"]'},
    {"signers": "[]"},
    {"signers": '["alice", "alice"]'},
    {"first_use": '"ask"'},
    {"first_use": '"never"'},
    {"unnamed": "true"},
    {"unnamed": "1"},
    {"level": '"audit"'},
    {"level": '"off"'},
    {"threshold": "1"},
]
POLICIES = [policy_text(rule_text(**fields)) for fields in RULES]
POLICIES += [
    policy_text(head="level = 'warn'"),
    policy_text(head="level = 'x'"),
    policy_text(head="x = 1"),
    policy_text(revoked=EVERY_REVOCATION),
    policy_text(revoked=EVERY_REVOCATION.replace('kind = "root"', 'kind = "rot"')),
    policy_text(revoked=EVERY_REVOCATION.replace("reason", "because")),
    policy_text(revoked=EVERY_REVOCATION.replace('version = "1.1"', 'version = "1.x"')),
    policy_text(revoked=""),
    policy_text(revoked="[revoked]\ncount = -1\n"),
    policy_text().replace(b"schema = 1", b"schema = 2"),
    policy_text().replace(b"https://token", b"http://token"),
    policy_text().replace(b'kind = "sigstore"', b'kind = "key"'),
    policy_text().replace(b"[signers.carol]", b"[signers.Carol]"),
    b"schema = 1\n[revoked]\ncount = 0\n",
]


def _has_passed_schema(data: bytes) -> bool:
    tree = json.loads(json.dumps(tomllib.loads(data.decode()), default=datetime.isoformat))
    return bool(VALIDATOR.is_valid(tree))


def _is_read(data: bytes) -> bool:
    try:
        parse_policy(data)
    except TrustRefused:
        return False
    return True


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("data", POLICIES)
def test_schema_and_reader_agree(data: bytes) -> None:
    assert _has_passed_schema(data) is _is_read(data)


def test_both_answers_are_among_the_cases() -> None:
    assert {_is_read(data) for data in POLICIES} == {True, False}
