from __future__ import annotations

import pytest

from ostiary.core.limits import MAX_TOKEN_ID
from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.read_vocabulary import Vocabulary, parse_vocabulary_file


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        ("vocab.json", b'{"a": 0, "b": 7}', Vocabulary(2, 7)),
        ("sub/VOCAB.json", b"{}", Vocabulary(0, -1)),
        ("added_tokens.json", b'{"<x>": 9}', Vocabulary(1, 9, (("added_tokens", "<x>"),))),
        ("special_tokens_map.json", b'{"eos_token": {"content": "x"}}', Vocabulary(1, -1, (("eos_token", "x"),))),
        ("vocab.txt", b"[UNK]\r\n\xc3\xa9\n##a\n", Vocabulary(3, 2)),
        ("vocab.txt", b"", Vocabulary(0, -1)),
        ("vocab.txt", "a\u2028b\nc".encode(), Vocabulary(2, 1)),
        ("merges.txt", b"#version: 0.2\na b\n\n# c\n", Vocabulary(2, -1)),
        ("qwen.tiktoken", b"YQ== 0\nYg== 5\n", Vocabulary(2, 5)),
    ],
)
def test_honest_files(path: str, data: bytes, expected: Vocabulary) -> None:
    assert parse_vocabulary_file(path, data) == expected


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("vocab.json", b'{"a": "0"}', "INTAKE_MALFORMED"),
        ("vocab.json", b'{"a": 1, "b": 1}', "INTAKE_INCONSISTENT"),
        ("vocab.json", b'{"a": -1}', "INTAKE_OUT_OF_RANGE"),
        ("special_tokens_map.json", b'{"eos_token": 1}', "INTAKE_MALFORMED"),
        ("vocab.txt", b"\xff\n", "INTAKE_MALFORMED"),
        ("vocab.txt", b"a\0\n", "INTAKE_MALFORMED"),
        ("vocab.txt", b"a\na\n", "INTAKE_DUPLICATE_NAME"),
        ("vocab.txt", b"a" * 9_000, "INTAKE_TOO_LARGE"),
        ("merges.txt", b"a\n", "INTAKE_MALFORMED"),
        ("merges.txt", b"a b c\n", "INTAKE_MALFORMED"),
        ("merges.txt", b" b\n", "INTAKE_MALFORMED"),
        ("x.tiktoken", b"YQ==\n", "INTAKE_MALFORMED"),
        ("x.tiktoken", b"YQ== -1\n", "INTAKE_MALFORMED"),
        ("x.tiktoken", b"YQ== " + b"9" * 5_000, "INTAKE_MALFORMED"),
        ("x.tiktoken", f"YQ== {MAX_TOKEN_ID + 1}".encode(), "INTAKE_MALFORMED"),
        ("x.tiktoken", b" 1\n", "INTAKE_MALFORMED"),
        ("x.tiktoken", b"Y 1\n", "INTAKE_MALFORMED"),
        ("x.tiktoken", b"YQ== 1\nYg== 1\n", "INTAKE_INCONSISTENT"),
        ("x.tiktoken", b"YQ== 1\nYQ== 2\n", "INTAKE_INCONSISTENT"),
    ],
)
def test_broken_files(path: str, data: bytes, code: str) -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_vocabulary_file(path, data)
    assert caught.value.code == code
