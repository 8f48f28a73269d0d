"""Names reduced to what they look like, and to what file systems hold for the same.

The table holds the letters of other alphabets that common fonts draw like a Latin one (a subset of Unicode TR 39),
enough for the names that loaders open.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from ostiary.core.text import is_invisible
from ostiary.intake.code.kinds import LOADED_NAMES

_DRAWN_ALIKE: Final = str.maketrans(
    {
        letter: latin
        for latin, letters in {
            "a": "\u0430\u03b1\u0251\u237a",
            "b": "\u044c\u0432\u03b2\u0184\u13cf",
            "c": "\u0441\u03f2\u1d04\u2ca5\u0188",
            "d": "\u0501\u0257\u13e7\ua4d2",
            "e": "\u0435\u0454\u04bd\u03b5\u212e\u0451",
            "f": "\u0192\u03dd\ua799\u0584",
            "g": "\u0261\u0581\u050d\u0260",
            "h": "\u04bb\u0570\u13c2\u043d\u03b7",
            "i": "\u0456\u03b9\u0131\u0269\u1d09\u0457\u04cf\u2170",
            "j": "\u0458\u03f3\u029d",
            "k": "\u043a\u03ba\u049b\u1d0b\u03ba",
            "l": "\u04c0\u0406\u217c\u01c0\u05d5\u0627|",
            "m": "\u043c\u028d\u217f\u1d0d",
            "n": "\u0578\u057c\u03c0\u0438\u0274",
            "o": "\u043e\u03bf\u0585\u05e1\u06f0\u0966\u0d20\u1d0f\u00f8",
            "p": "\u0440\u03c1\u03f1\u2ca3",
            "q": "\u051b\u0563\u0566",
            "r": "\u0433\u1d26\u2c85\u0280",
            "s": "\u0455\ua731\u10fd",
            "t": "\u0442\u03c4\u1d1b",
            "u": "\u03c5\u057d\u1d1c\u0446",
            "v": "\u03bd\u0475\u1d20\u2174",
            "w": "\u0461\u051d\u1d21\u0561\u0448",
            "x": "\u0445\u03c7\u2179\u00d7",
            "y": "\u0443\u03b3\u04af\u028f",
            "z": "\u1d22\u0290",
            ".": "\u2024\u06d4\u0701\ua4f8\u00b7\u30fb\uff61",
            "_": "\ufe4d\ufe4e\ufe4f\u2017\uff3f",
            "-": "\u2010\u2011\u2012\u2013\u2014\u2212\u02d7\ufe58\u06d4",
        }.items()
        for letter in letters
    }
)
_SHARD: Final = re.compile(r"model-\d+-of-\d+\.safetensors")
_LONGEST_IMITATION: Final = 64  # characters; twice the longest name that loaders open
# Blank or shapeless although Unicode counts them as letters, marks or symbols.
_SHAPELESS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    chr(c)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for c in range(first, last + 1)
)


def is_unseen(character: str) -> bool:
    """Whether a reader of the name would see nothing, or a space that is not the ordinary one."""
    return (
        character in _SHAPELESS
        or is_invisible(character)
        or (character != " " and unicodedata.category(character) == "Zs")
    )


def fold_name(name: str) -> str:
    """Equal for names that some file system, or a program that normalises, holds for the same."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded).casefold().rstrip(". ")


def find_imitated(name: str) -> str | None:
    """The name that loaders open which `name` could be taken for without being it; None for all honest names."""
    if name in LOADED_NAMES or len(name) > _LONGEST_IMITATION or (name.isascii() and name.islower()):
        return None
    drawn = unicodedata.normalize("NFKD", fold_name(name).translate(_DRAWN_ALIKE))
    plain = "".join(c for c in drawn if not unicodedata.combining(c)).translate(_DRAWN_ALIKE)
    if plain == name:
        return None
    return plain if plain in LOADED_NAMES or _SHARD.fullmatch(plain) else None
