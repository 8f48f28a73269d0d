from __future__ import annotations

import pytest
from attack_cases.tokenizer import UNKNOWN_PIECE, charsmap, message, piece, sentencepiece, varint

from ostiary.core.limits import MAX_TOKEN_CHARACTERS
from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.read_protobuf import WireType, read_fields
from ostiary.intake.tokens.read_sentencepiece import Sentencepiece, parse_sentencepiece

BYTES = b"".join(piece(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256))
FALLBACK = message(2, varint(35 << 3) + b"\x01")


def refusal_of(data: bytes) -> IntakeRefused:
    with pytest.raises(IntakeRefused) as caught:
        parse_sentencepiece(data)
    return caught.value


def test_an_honest_one() -> None:
    parsed = parse_sentencepiece(sentencepiece(message(2, b"\x18\x02")))
    assert parsed == Sentencepiece("bpe", 61, ())
    assert parsed.max_id == 60


def test_byte_fallback_with_all_bytes() -> None:
    assert parse_sentencepiece(UNKNOWN_PIECE + BYTES + FALLBACK).size == 257


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "0 of 0 pieces"),
        (bytes(100), "wire type"),
        (b"\x0a", "cut off"),
        (b"\x0a\xff\xff\xff\xff\x0f" + bytes(94), "claims 4294967295"),
        (b"\x0a" + b"\xff" * 10, "cut off or too long"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "cut off or too long"),
        (b"\x0b", "wire type 3"),
        (b"\x08\x01", "written as varint"),
        (b"\x32\x00", "unknown field 6"),
        (sentencepiece(message(3, b""), message(3, b"")), "stands twice"),
        (sentencepiece(message(1, b"")), "is empty"),
        (sentencepiece(piece("")), "is empty"),
        (sentencepiece(piece("x\0y")), "zero byte"),
        (sentencepiece(piece("x", 0.0, 7)), "unknown type 7"),
        (sentencepiece(piece("x", float("inf"))), "no number"),
        (sentencepiece(message(2, b"\x18\x09")), "unknown type"),
        (UNKNOWN_PIECE + BYTES, "fallback off"),
        (UNKNOWN_PIECE + FALLBACK, "fallback on"),
        (sentencepiece(message(5, message(2, b"\xff\xff\xff\xff"))), "claims"),
        (sentencepiece(message(3, b"\x10\x01")), "written as varint"),
    ],
)
def test_what_does_not_follow_the_format(data: bytes, detail: str) -> None:
    refused = refusal_of(data)
    assert refused.code == "INTAKE_MALFORMED"
    assert detail in str(refused)


def test_refusals_name_the_byte() -> None:
    start = len(sentencepiece())
    assert refusal_of(sentencepiece() + b"\x32\x00").findings[0].offset == start + 2
    inner = sentencepiece() + message(1, b"\x0a\x02\xff\xff")
    assert refusal_of(inner).findings[0].offset == start + 4


def test_a_long_piece() -> None:
    parse_sentencepiece(sentencepiece(piece("x" * MAX_TOKEN_CHARACTERS)))
    assert refusal_of(sentencepiece(piece("x" * (MAX_TOKEN_CHARACTERS + 1)))).code == "INTAKE_TOO_LARGE"


def test_a_normalizer_with_a_sound_map() -> None:
    parse_sentencepiece(sentencepiece(message(3, message(2, charsmap())), message(5, message(2, b""))))


def test_fields_of_every_wire_type() -> None:
    data = (
        b"\x08\xac\x02"
        + b"\x11"
        + bytes(8)
        + message(3, b"abc")
        + b"\x25\x00\x00\x80\x3f"
        + b"\x28"
        + b"\xff" * 9
        + b"\x01"
    )
    varying, eight, text, four, negative = read_fields(data)
    assert (varying.key, varying.type, varying.number) == (1, WireType.VARINT, 300)
    assert (eight.key, eight.data) == (2, bytes(8))
    assert (text.key, text.data) == (3, b"abc")
    assert (four.key, four.as_float) == (4, 1.0)
    assert negative.as_int32 == -1
