"""The JSON reader: one meaning or a refusal, before memory or stack are spent."""

from __future__ import annotations

import json
import struct

import pytest

from ostiary.core import json_text
from ostiary.core.limits import MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_JSON_NUMBER_CHARACTERS
from ostiary.errors import IntakeRefused
from ostiary.intake.read_json import describe_type, parse_json, parse_json_object
from ostiary.intake.rules.json import RULES


def rule_of(data: bytes, max_bytes: int = MAX_JSON_BYTES) -> str:
    with pytest.raises(IntakeRefused) as caught:
        parse_json(data, max_bytes=max_bytes)
    assert "\n" not in caught.value.message
    return caught.value.findings[0].rule.id


REFUSED = {
    "json.too-large": [b" " * 101],
    "json.too-deep": [
        b"[" * (MAX_JSON_DEPTH + 1),
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b'["\\"[", ' + b"[" * 64 + b"]" * 65,
    ],
    "json.number-too-long": [b"[" + b"9" * 65 + b"]", b"0." + b"1" * 64, b"-" + b"1" * 64],
    "json.not-utf8": [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"'],
    "json.byte-order-mark": [b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b"\xfe\xff\x00{"],
    "json.malformed": [
        b"",
        b"{",
        b"[1,]",
        b'{"a":1,}',
        b"{} {}",
        b"// hello\n{}",
        b"{'a':1}",
        b"01",
        b"+1",
        b".5",
        b"nan",
        b'"\x01"',
        b'"\\x41"',
        b'"\\u12g4"',
        b"[1 2]",
        b"\x00",
        b'{"a" 1}',
        b"{1:2}",
        '{"a":1}'.encode("utf-16-le"),
    ],
    "json.duplicate-key": [b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'[{"x":{"b":1,"c":2,"b":1}}]'],
    "json.not-finite": [b"NaN", b"[Infinity]", b'{"a":-Infinity}', b"1e400", b"-1E+999"],
    "json.big-integer": [b"18446744073709551616", b"[-9223372036854775809]", b"9" * 64],
    "json.lone-surrogate": [b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\uDBFFx":1}', b'"\\ud83d\\\\\\ude00"'],
}


@pytest.mark.parametrize(("rule", "data"), [(rule, data) for rule, many in REFUSED.items() for data in many])
def test_refuses(rule: str, data: bytes) -> None:
    max_bytes = 100 if rule == "json.too-large" else MAX_JSON_BYTES
    assert rule_of(data, max_bytes) == rule


def test_every_rule_strikes() -> None:
    assert {rule.id for rule in RULES} == {*REFUSED, "json.too-many-values", "json.not-an-object"}


@pytest.mark.parametrize(
    "data",
    [
        b"null",
        b" true ",
        b"-0.5e-3",
        b"18446744073709551615",
        b"-9223372036854775808",
        b'"\\ud83d\\ude00 \\\\ \\" \\/ [ { \xf0\x9f\x98\x80"',
        b'{"":{"a":[1,2.5,null,false,"\\\\"]}}',
        b'"\\\\ud800"',
        b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH,
        b'"' + b"[{" * 1000 + b'"',
        b"1" + b"0" * 18,
        b"0." + b"1" * (MAX_JSON_NUMBER_CHARACTERS - 2),
        "\u2028 \u00e9".join('""').encode(),
    ],
)
def test_agrees_with_the_standard_library(data: bytes) -> None:
    assert parse_json(data) == json.loads(data)


def test_a_string_across_chunks_hides_its_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_CHUNK_BYTES", 3)
    value = ["[" * 100, {"]]]": [1, "}"]}, "{" * 99]
    assert parse_json(json.dumps(value).encode()) == value
    assert rule_of(b'["a","[",' + b"[" * 64 + b"]" * 65) == "json.too-deep"


def test_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "MAX_JSON_VALUES", 4)
    assert parse_json(b'[1,2,"3,3,3,3"]') == [1, 2, "3,3,3,3"]
    assert rule_of(b"[1,2,3,4]") == "json.too-many-values"
    assert rule_of(b"[[],[],[]]") == "json.too-many-values"


def test_offsets_are_bytes() -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_json('["é\\\\", "\\ud800"]'.encode())
    assert caught.value.findings[0].offset == 10
    with pytest.raises(IntakeRefused) as caught:
        parse_json('["é" x]'.encode())
    assert caught.value.findings[0].offset == 6
    assert "line 1, column 6" in caught.value.message


def test_infinity_only_where_asked_for() -> None:
    assert parse_json(b"[Infinity,-Infinity]", allow_infinity=True) == [float("inf"), -float("inf")]
    with pytest.raises(IntakeRefused):
        parse_json(b"[NaN]", allow_infinity=True)
    with pytest.raises(IntakeRefused):
        parse_json(b"[1e999]", allow_infinity=True)


def test_no_limit_of_transformers_is_the_only_larger_integer() -> None:
    assert parse_json(b'{"model_max_length": 1000000000000000019884624838656}') == {"model_max_length": int(1e30)}
    assert rule_of(b'{"model_max_length": 1000000000000000019884624838657}') == "json.big-integer"


def test_an_object_is_asked_for() -> None:
    assert parse_json_object(b'{"a":1}') == {"a": 1}
    for data in (b"[]", b"null", b'"x"', b"7", b"true"):
        with pytest.raises(IntakeRefused) as caught:
            parse_json_object(data)
        assert caught.value.findings[0].rule.id == "json.not-an-object"


def test_a_message_shows_no_raw_text() -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_json(b'{"\\u001b[31m\\u202e":1,"\\u001b[31m\\u202e":2}')
    assert caught.value.message.isprintable()


def test_a_key_that_is_every_byte_is_kept() -> None:
    key = bytes(range(32, 127)).decode()
    assert parse_json(json.dumps({key: struct.calcsize("<Q")}).encode()) == {key: 8}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "a string"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_types_have_names(value: json_text.JsonValue, name: str) -> None:
    assert describe_type(value) == name
