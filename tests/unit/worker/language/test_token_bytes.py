"""Which decoders are understood, and what their words write."""

from __future__ import annotations

from typing import Any

import pytest
from models.words import byte_level, metaspace

from ostiary.worker.engines.language.token_bytes import BYTE_CHARACTERS, ByteDecoder, bytes_of, read_decoder

SPACE = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "decoders": list(steps)}


@pytest.mark.parametrize(
    ("decoder", "read"),
    [
        (byte_level()[0]["decoder"], ByteDecoder(True, None, False, False)),
        (sequence({"type": "ByteLevel"}), ByteDecoder(True, None, False, False)),
        (metaspace()[0]["decoder"], ByteDecoder(False, "▁", True, True)),
        (sequence(SPACE, {"type": "ByteFallback"}, {"type": "Fuse"}), ByteDecoder(False, "▁", True, False)),
        (
            {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"},
            ByteDecoder(False, "_", False, True),
        ),
        (
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"},
            ByteDecoder(False, "▁", False, False),
        ),
        ({"type": "Fuse"}, ByteDecoder(False, None, False, False)),
        ({"type": "WordPiece", "prefix": "##"}, None),
        (sequence(SPACE, {"type": "Strip", "content": "x", "start": 1, "stop": 0}), None),
        (sequence(SPACE, {"type": "ByteFallback"}), None),
        (None, None),
        ("ByteLevel", None),
    ],
)
def test_decoders(decoder: Any, read: ByteDecoder | None) -> None:
    assert read_decoder(decoder) == read


def test_every_byte_has_its_own_character() -> None:
    assert len(set(BYTE_CHARACTERS.values())) == 256
    assert BYTE_CHARACTERS[ord(" ")] == "Ġ"
    assert BYTE_CHARACTERS[ord("\n")] == "Ċ"
    assert BYTE_CHARACTERS[0xAD] == "Ń"


def test_words_of_bytes() -> None:
    decoder = ByteDecoder(True, None, False, False)
    assert [bytes_of(word, decoder) for word in ("Ġhi", "Ã¤", "日")] == [b" hi", "ä".encode(), "日".encode()]


def test_words_of_utf8() -> None:
    decoder = ByteDecoder(False, "▁", True, True)
    words = ("▁a▁", "<0x0A>", "<0xzz>", "<0x0A>b")
    assert [bytes_of(word, decoder) for word in words] == [b" a ", b"\n", b"<0xzz>", b"<0x0A>b"]
