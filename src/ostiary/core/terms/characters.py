"""Characters that a reader does not see, or sees elsewhere than they stand, by what they can be used for.

Each character belongs to one class at most. What is assigned is what Python's own Unicode database says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import StrEnum
from typing import Final


class CharacterClass(StrEnum):
    """As contract.json names them."""

    CONTROL = "control"
    """C0 and C1 without tab, line feed and carriage return: terminals obey them."""
    BIDI = "bidi"
    """Embeddings, overrides and isolates: text is shown in another order than it is read in."""
    DIRECTION_MARKS = "direction_marks"
    """LRM, RLM and ALM, which honest Arabic and Hebrew texts have."""
    JOINERS = "joiners"
    """ZWJ and ZWNJ, which emoji, Persian and Indic texts have."""
    VARIATION = "variation"
    """Variation selectors: emoji have some; a run of them hides any bytes."""
    TAGS = "tags"
    """The tag characters of plane 14, which spell ASCII unseen, but for three flags of emoji that need them."""
    INVISIBLE = "invisible"
    """Everything else that is not seen: zero-width spaces, fillers, soft hyphens, line separators, others."""
    PRIVATE = "private"
    """Private use: what they mean is between those who agreed."""
    UNASSIGNED = "unassigned"
    """No character yet, or never one."""


_LAYOUT: Final = frozenset("\t\n\r")
_BIDI: Final = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_DIRECTION: Final = frozenset("\u061c\u200e\u200f")
_JOINERS: Final = frozenset("\u200c\u200d")
_VARIATION: Final = frozenset(
    map(chr, (*range(0x180B, 0x180E), 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_TAGS: Final = frozenset(map(chr, range(0xE0000, 0xE0080)))
# Blank or shapeless although Unicode counts them as letters, marks or symbols.
_SHAPELESS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_BY_CATEGORY: Final = {
    "Cc": CharacterClass.CONTROL,
    "Cf": CharacterClass.INVISIBLE,
    "Zl": CharacterClass.INVISIBLE,
    "Zp": CharacterClass.INVISIBLE,
    "Co": CharacterClass.PRIVATE,
    "Cn": CharacterClass.UNASSIGNED,
}
_SETS: Final = (
    (_BIDI, CharacterClass.BIDI),
    (_DIRECTION, CharacterClass.DIRECTION_MARKS),
    (_JOINERS, CharacterClass.JOINERS),
    (_VARIATION, CharacterClass.VARIATION),
    (_TAGS, CharacterClass.TAGS),
    (_SHAPELESS, CharacterClass.INVISIBLE),
)
_BLACK_FLAG: Final = "\U0001f3f4"
_TAG_END: Final = "\U000e007f"
_FLAGS: Final = re.compile(
    "({})".format(
        "|".join(
            _BLACK_FLAG + "".join(chr(0xE0000 + ord(letter)) for letter in name) + _TAG_END
            for name in ("gbeng", "gbsct", "gbwls")
        )
    )
)
"""The three sequences that Unicode recommends for general interchange."""


def classify(character: str) -> CharacterClass | None:
    """None: it is seen where it stands, or lays a text out."""
    if character in _LAYOUT:
        return None
    for members, named in _SETS:
        if character in members:
            return named
    return _BY_CATEGORY.get(unicodedata.category(character))


def find_characters(text: str, wanted: Collection[CharacterClass]) -> dict[str, CharacterClass]:
    """The different characters of `text` that are of these classes. Takes time in proportion to the text."""
    if not wanted or (text.isascii() and text.isprintable()):
        return {}
    if CharacterClass.TAGS in wanted and _BLACK_FLAG in text:
        text = _FLAGS.sub("", text)
    classes = {character: classify(character) for character in set(text)}
    return {character: named for character, named in classes.items() if named is not None and named in wanted}


def remove_characters(text: str, characters: Collection[str]) -> str:
    """`text` without these; flags stay whole."""
    table = dict.fromkeys(map(ord, characters))
    if _BLACK_FLAG not in text:
        return text.translate(table)
    pieces = _FLAGS.split(text)  # text, flag, text, ...
    return "".join(piece if place % 2 else piece.translate(table) for place, piece in enumerate(pieces))
