"""Any bytes as a file of keys are keys or a refusal; what is written is read again; no shown text lets a stranger in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.callers import Scope
from ostiary.errors import AdmissionRefused, Misuse
from ostiary.gateway.authenticators import Authenticators
from ostiary.gateway.client_key import ClientKey, is_key_name, make_key, parse_keys, render_keys
from ostiary.gateway.keys import ClientKeys

TIMES = st.integers(0, 4_000_000_000)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", fullmatch=True).filter(is_key_name)
MODELS = st.frozensets(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), max_size=4)
KEYS = st.builds(
    ClientKey,
    id=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    name=NAMES,
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    created=TIMES,
    tenant=NAMES,
    scopes=st.frozensets(st.sampled_from(Scope)),
    models=st.none() | MODELS,
    expires=st.none() | TIMES,
    revoked=st.none() | TIMES,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("id", "name", "tenant", "sha256", "created", "scopes", "models", "expires", "revoked", "more")


def judge(data: bytes) -> str:
    """The code of the refusal, where it is one."""
    try:
        parse_keys(data)
    except Misuse as error:
        return error.code
    return ""


@given(st.binary(max_size=300))
def test_any_bytes_are_keys_or_a_refusal(data: bytes) -> None:
    assert judge(data) in ("", "KEY_UNUSABLE")


@given(KEYS, st.sampled_from(FIELDS), JSON, st.sampled_from([1, 2]))
def test_any_value_in_any_field_is_a_key_or_a_refusal(key: ClientKey, field: str, value: Any, schema: int) -> None:
    kept = json.loads(render_keys([key]))
    kept["schema"] = schema
    kept["keys"][0][field] = value
    assert judge(json.dumps(kept).encode()) in ("", "KEY_UNUSABLE")


@given(st.lists(KEYS, max_size=4, unique_by=lambda key: key.id))
def test_what_is_written_is_read_again(keys: list[ClientKey]) -> None:
    assert parse_keys(render_keys(keys)) == tuple(keys)


@given(st.text(max_size=80) | st.from_regex(r"ost_[0-9a-f]{12}_[A-Za-z0-9_-]{40,46}"), TIMES)
def test_nothing_that_a_stranger_shows_lets_him_in(shown: str, now: int) -> None:
    keys = ClientKeys([make_key("alice", 0)[0]], clock=lambda: now)
    for headers in ({"authorization": f"Bearer {shown}"}, {"x-api-key": shown}):
        with pytest.raises(AdmissionRefused):
            Authenticators([keys]).find(headers)


@given(TIMES, TIMES, st.none() | TIMES)
def test_a_key_lets_in_exactly_while_it_is_valid(now: int, expires: int, revoked: int | None) -> None:
    kept, key = make_key("alice", 0, expires=expires)
    if revoked is not None:
        kept = parse_keys(render_keys([kept]).replace(b'"revoked": null', b'"revoked": "2030-01-01T00:00:00Z"'))[0]
    ways = Authenticators([ClientKeys([kept], clock=lambda: now)])
    try:
        ways.find({"x-api-key": key})
        is_in = True
    except AdmissionRefused:
        is_in = False
    assert is_in == (revoked is None and now < expires)
