from __future__ import annotations

import base64
import struct

import pytest
from attack_cases.tokenizer import charsmap

from ostiary.core.limits import MAX_CHARSMAP_BYTES, MAX_CHARSMAP_REPLACEMENT_BYTES
from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.check_charsmap import check_charsmap, check_charsmap_text


def refusal_of(blob: bytes) -> IntakeRefused:
    with pytest.raises(IntakeRefused) as caught:
        check_charsmap(blob)
    return caught.value


def test_a_sound_map() -> None:
    check_charsmap(charsmap())
    check_charsmap_text(base64.b64encode(charsmap()).decode())


@pytest.mark.parametrize(
    ("blob", "detail"),
    [
        (b"", "no length field"),
        (b"\xff\xff\xff\xff", "claims 4294967295 of 0"),
        (struct.pack("<I", 0) + b"\0", "whole blocks"),
        (struct.pack("<I", 1020) + bytes(1021), "whole blocks"),
        (charsmap(base=1 << 20), "leads to unit"),
        (charsmap(offset=1 << 16), "leads to unit"),
        (charsmap(value=2), "starts at byte 2 of 2"),
        (charsmap(text=b"b"), "not closed"),
        (charsmap(text=b""), "not closed"),
        (charsmap(text=b"\xff\0"), "not UTF-8"),
        (charsmap(value=1, text=b"\xc3\xa9\0"), "inside a character"),
    ],
)
def test_what_leads_outside_is_refused(blob: bytes, detail: str) -> None:
    refused = refusal_of(blob)
    assert refused.code == "INTAKE_MALFORMED"
    assert detail in str(refused)


def test_what_nothing_reaches_may_be_anything() -> None:
    blob = bytearray(charsmap())
    struct.pack_into("<I", blob, 4 + 4 * 600, 0x7FFFFFFF)
    check_charsmap(bytes(blob))


def test_ceilings() -> None:
    longest = b"b" * MAX_CHARSMAP_REPLACEMENT_BYTES
    check_charsmap(charsmap(text=longest + b"\0"))
    assert refusal_of(charsmap(text=longest + b"b\0")).code == "INTAKE_TOO_LARGE"
    assert refusal_of(bytes(MAX_CHARSMAP_BYTES + 1)).code == "INTAKE_TOO_LARGE"


@pytest.mark.parametrize("text", ["%%%", "\u00e9", "abc"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(IntakeRefused):
        check_charsmap_text(text)
