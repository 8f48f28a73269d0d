"""The precompiled character map of SentencePiece: a double-array trie (Darts) and the texts it leads to.

Layout: uint32 length of the trie in bytes; the trie, units of uint32; replacement texts in UTF-8, each closed by
NUL. A unit's bits (darts-clone): 0-7 and 31 the label, 8 whether a value follows, 9 and 10-30 how far the children
are. A reader goes from `base` to `base ^ byte` for any byte a text can hold, without asking whether that is inside.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_CHARSMAP_BYTES, MAX_CHARSMAP_REPLACEMENT_BYTES
from ostiary.intake.rules.tokenizer import TOKENIZER_BROKEN_CHARSMAP, TOKENIZER_TOO_LARGE

_UNIT_BYTES: Final = 4
_BLOCK_UNITS: Final = 256
_VALUE_BIT: Final = 1 << 31


def check_charsmap_text(text: str) -> None:
    """As `check_charsmap`, for a map in base64 as tokenizer.json holds it."""
    if len(text) > MAX_CHARSMAP_BYTES * 2:
        raise refuse(TOKENIZER_TOO_LARGE, f"a character map of {len(text)} characters")
    try:
        blob = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, "the character map is not base64") from error
    check_charsmap(blob)


def check_charsmap(blob: bytes) -> None:
    """Refuses a map in which some text would lead outside the trie or outside the replacements."""
    if len(blob) > MAX_CHARSMAP_BYTES:
        raise refuse(TOKENIZER_TOO_LARGE, f"a character map of {len(blob)} bytes")
    if len(blob) < _UNIT_BYTES:
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, f"a character map of {len(blob)} bytes has no length field")
    (trie_bytes,) = struct.unpack_from("<I", blob)
    if trie_bytes > len(blob) - _UNIT_BYTES:
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, f"its trie claims {trie_bytes} of {len(blob) - _UNIT_BYTES} bytes")
    if trie_bytes == 0 or trie_bytes % (_UNIT_BYTES * _BLOCK_UNITS):
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, f"a trie of {trie_bytes} bytes is not made of whole blocks")
    units = struct.unpack_from(f"<{trie_bytes // _UNIT_BYTES}I", blob, _UNIT_BYTES)
    replacements = blob[_UNIT_BYTES + trie_bytes :]
    _check_replacements(replacements)
    _check_trie(units, replacements)


def _check_replacements(replacements: bytes) -> None:
    if not replacements.endswith(b"\0"):
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, "its replacement texts are not closed by a zero byte")
    try:
        replacements.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, "its replacement texts are not UTF-8") from error


def _check_trie(units: tuple[int, ...], replacements: bytes) -> None:
    """Walks what a reader could reach. Blocks are whole, so every child of a base inside lies inside too."""
    children: dict[int, list[int]] = {}
    for place, unit in enumerate(units):
        if unit < _VALUE_BIT and unit & 0xFF:
            children.setdefault(place ^ (unit & 0xFF), []).append(place)
    root = _offset_of(units[0])
    pending = [root]
    seen = {root}
    while pending:
        base = pending.pop()
        if base >= len(units):
            raise refuse(TOKENIZER_BROKEN_CHARSMAP, f"its trie leads to unit {base} of {len(units)}")
        for place in children.get(base, ()):
            unit = units[place]
            following = place ^ _offset_of(unit)
            if unit & 0x100:
                _check_value(units, following, replacements)
            if following not in seen:
                seen.add(following)
                pending.append(following)


def _offset_of(unit: int) -> int:
    return (unit >> 10) << ((unit & 0x200) >> 6)


def _check_value(units: tuple[int, ...], place: int, replacements: bytes) -> None:
    if place >= len(units):
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, f"its trie leads to unit {place} of {len(units)}")
    value = units[place] & (_VALUE_BIT - 1)
    if value >= len(replacements):
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, f"a replacement starts at byte {value} of {len(replacements)}")
    if replacements[value] & 0xC0 == 0x80:
        raise refuse(TOKENIZER_BROKEN_CHARSMAP, "a replacement starts inside a character")
    length = replacements.index(b"\0", value) - value
    if length > MAX_CHARSMAP_REPLACEMENT_BYTES:
        raise refuse(TOKENIZER_TOO_LARGE, f"one character becomes {length} bytes")
