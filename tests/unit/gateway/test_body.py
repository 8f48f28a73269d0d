"""Bodies: what is no strict JSON, and what does not fit its form, each with its field and nothing of its value."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import ContractRefused, GatewayRefused
from ostiary.gateway.body import parse_body


class Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag="text", tag_field="type"):
    text: str


class Image(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag="image", tag_field="type"):
    url: str


class Message(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    role: Literal["user", "assistant"]
    content: str | list[Part | Image]


class Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1, max_length=3)] = []
    n: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    heat: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    bias: dict[str, float] | None = None
    short: Annotated[str, msgspec.Meta(max_length=3)] | None = None
    flag: bool = False
    notes: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None


MALFORMED = {
    "nothing": b"",
    "half": b'{"model":',
    "two": b'{"model":"a"} {}',
    "byte order mark": b'\xef\xbb\xbf{"model":"a"}',
    "UTF-16": '{"model":"a"}'.encode("utf-16"),
    "broken UTF-8": b'{"model":"\xff"}',
    "overlong UTF-8": b'{"model":"\xc0\x80"}',
    "surrogate in UTF-8": b'{"model":"\xed\xa0\x80"}',
    "half of a surrogate pair": b'{"model":"\\ud800"}',
    "repeated key": b'{"model":"a","model":"b"}',
    "repeated key, spelled otherwise": b'{"model":"a","mod\\u0065l":"b"}',
    "repeated key deep inside": b'{"model":"a","bias":{"1":1,"1":2}}',
    "NaN": b'{"model":"a","heat":NaN}',
    "Infinity": b'{"model":"a","heat":-Infinity}',
    "a number that overflows": b'{"model":"a","heat":1e999}',
    "an integer of 65 bits": b'{"model":"a","n":18446744073709551616}',
    "an integer without end": b'{"model":"a","n":' + b"9" * 5_000 + b"}",
    "depth": b'{"model":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "comment": b'{"model":"a" /* b */}',
    "single quotes": b"{'model':'a'}",
    "control character": b'{"model":"a\nb"}',
    "values without end": b'{"model":[' + b"0," * 600_000 + b"0]}",
}
MISFITS = {
    b"[]": ("CONTRACT_TYPE", "", "a list"),
    b'"x"': ("CONTRACT_TYPE", "", "a string"),
    b"null": ("CONTRACT_TYPE", "", "null"),
    b"{}": ("CONTRACT_TYPE", "model", "is missing"),
    b'{"model":1}': ("CONTRACT_TYPE", "model", "is a whole number, not a string"),
    b'{"model":"a","models":1}': ("CONTRACT_UNKNOWN_FIELD", "models", "no field"),
    b'{"model":"a","n":0}': ("CONTRACT_RANGE", "n", "at least 1"),
    b'{"model":"a","n":6}': ("CONTRACT_RANGE", "n", "at most 5"),
    b'{"model":"a","n":1.0}': ("CONTRACT_TYPE", "n", "a number, not a whole number"),
    b'{"model":"a","n":true}': ("CONTRACT_TYPE", "n", "a boolean"),
    b'{"model":"a","n":"1"}': ("CONTRACT_TYPE", "n", "a string"),
    b'{"model":"a","heat":2.5}': ("CONTRACT_RANGE", "heat", "at most 2"),
    b'{"model":"a","flag":1}': ("CONTRACT_TYPE", "flag", "a boolean"),
    b'{"model":"a","flag":null}': ("CONTRACT_TYPE", "flag", "null"),
    b'{"model":"a","bias":{"1":"x"}}': ("CONTRACT_TYPE", "bias[...]", "a string, not a number"),
    b'{"model":"a","short":"abcd"}': ("CONTRACT_TOO_LONG", "short", "at most 3 characters"),
    b'{"model":"a","notes":["x"]}': ("CONTRACT_UNKNOWN_FIELD", "notes", "not supported here"),
    b'{"model":"a","messages":[]}': ("CONTRACT_RANGE", "messages", "at least 1"),
    b'{"model":"a","messages":[{"role":"root","content":""}]}': ("CONTRACT_RANGE", "messages[0].role", "none of"),
    b'{"model":"a","messages":[{"role":"user"}]}': ("CONTRACT_TYPE", "messages[0].content", "missing"),
    b'{"model":"a","messages":[{"role":"user","content":"","name":1}]}': (
        "CONTRACT_UNKNOWN_FIELD", "messages[0].name", "no field",
    ),
    b'{"model":"a","messages":[{"role":"user","content":[{"type":"audio"}]}]}': (
        "CONTRACT_RANGE", "messages[0].content[0].type", "none of",
    ),
    b'{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":1}]}]}': (
        "CONTRACT_TYPE", "messages[0].content[0].text", "not a string",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_two_programs_could_read_differently_is_refused(what: str) -> None:
    with pytest.raises(GatewayRefused) as caught:
        parse_body(MALFORMED[what], Form)
    assert caught.value.code == "GATEWAY_BODY_MALFORMED"
    assert len(caught.value.message) < 200
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("body", MISFITS)
def test_what_does_not_fit_is_told_with_its_field(body: bytes) -> None:
    code, field, words = MISFITS[body]
    with pytest.raises(ContractRefused) as caught:
        parse_body(body, Form)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert words in caught.value.message


def test_what_fits_is_a_form() -> None:
    parts = [{"type": "text", "text": "b"}]
    body = {"model": "a", "messages": [{"role": "user", "content": parts}], "heat": 1, "bias": {"1": -1}}
    form = parse_body(json.dumps(body).encode(), Form)
    assert form == Form("a", [Message("user", [Part("b")])], heat=1.0, bias={"1": -1.0})


@given(st.text(min_size=12, alphabet=st.characters(categories=["L", "N"])))
def test_nothing_of_a_value_is_told(secret: str) -> None:
    for body in (
        {"model": "a", "messages": [{"role": secret, "content": ""}]},
        {"model": "a", "n": secret},
        {"model": "a", "short": secret},
        {"model": "a", "messages": [{"role": "user", "content": [{"type": secret}]}]},
        {"model": {"x": secret}},
    ):
        with pytest.raises(ContractRefused) as caught:
            parse_body(json.dumps(body, ensure_ascii=False).encode(), Form)
        assert secret not in caught.value.message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_a_refusal(data: bytes) -> None:
    try:
        parse_body(data, Form)
        parse_body(b'{"model":"a","messages":[{"role":"user","content":' + data + b"}]}", Form)
    except (GatewayRefused, ContractRefused) as error:
        if not error.message.isprintable():
            pytest.fail(repr(error.message))
