"""Which bytes each token writes, for the decoders whose tokens write bytes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass

_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_METASPACE: Final = "\u2581"


@dataclass(frozen=True, slots=True)
class ByteDecoder:
    """How the words of a vocabulary become bytes."""

    is_byte_level: bool
    """Every character of a word stands for one byte, as GPT-2 has it. Else words are UTF-8."""
    space: str | None
    """What stands for a space in words that are UTF-8."""
    has_bytes: bool
    """Whether `<0x0A>` is a byte."""
    drops_first_space: bool
    """Whether a text that begins with a space loses it, since each word brings one along."""


def read_decoder(decoder: JsonValue) -> ByteDecoder | None:
    """From the `decoder` of a tokenizer.json; None for one whose tokens depend on their neighbours."""
    steps = list(_flatten(decoder))
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"]:
        return ByteDecoder(is_byte_level=True, space=None, has_bytes=False, drops_first_space=False)
    if kinds == ["Metaspace"]:
        space = steps[0].get("replacement")
        drops = (
            steps[0].get("prepend_scheme", "always") != "never" and steps[0].get("add_prefix_space") is not False
        )
        return ByteDecoder(False, space if isinstance(space, str) else _METASPACE, False, drops)
    space, has_bytes, drops = None, False, False
    for place, step in enumerate(steps):
        match step:
            case {"type": "Replace", "pattern": {"String": str(old)}, "content": " "} if place == 0:
                space = old
            case {"type": "ByteFallback"}:
                has_bytes = True
            case {"type": "Fuse"}:
                pass
            case {"type": "Strip", "content": " ", "start": 1, "stop": 0} if place == len(steps) - 1:
                drops = True
            case _:
                return None
    return ByteDecoder(False, space, has_bytes, drops) if "Fuse" in kinds else None


def _flatten(decoder: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    if not isinstance(decoder, dict):
        return
    inner = decoder.get("decoders")
    if decoder.get("type") == "Sequence" and isinstance(inner, list):
        for step in inner:
            yield from _flatten(step)
    else:
        yield decoder


def bytes_of(word: str, decoder: ByteDecoder) -> bytes:
    """What a word of the vocabulary writes."""
    if decoder.is_byte_level:
        try:
            return bytes(map(_BYTE_OF.__getitem__, word))
        except KeyError:
            return word.encode("utf-8", "replace")
    if decoder.has_bytes and (match := _BYTE.fullmatch(word)):
        return bytes.fromhex(match[1])
    return (word if decoder.space is None else word.replace(decoder.space, " ")).encode("utf-8", "replace")


def _list_byte_characters() -> Iterator[tuple[str, int]]:
    """GPT-2 writes printable bytes as themselves and moves the others, in order, past U+0100."""
    moved = 0
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE:
            yield chr(byte), byte
        else:
            yield chr(0x100 + moved), byte
            moved += 1


_BYTE_OF: Final = dict(_list_byte_characters())
BYTE_CHARACTERS: Final = {byte: character for character, byte in _BYTE_OF.items()}
"""Which character stands for a byte."""
