"""Text of a model made safe for a terminal: nothing in it moves the cursor, sets a title or turns lines around."""

from __future__ import annotations

import unicodedata
from typing import Final

_KEPT: Final = "\n\t\u200c\u200d"
"""Lines, tabulators, and what joins or parts letters (emoji of several parts, Persian)."""
_OBEYED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (bidi, tags), halves of pairs, separators. Private and unknown characters no terminal obeys."""


class TerminalText:
    """For one stream: a line end of two characters may come in two pieces."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """What to show now: escaped is what a terminal could obey or an eye not see."""
        whole = self._held + text
        self._held = "\r" if whole.endswith("\r") else ""
        whole = whole[: len(whole) - len(self._held)].replace("\r\n", "\n")
        return whole if whole.isprintable() else "".join(map(_show, whole))

    def finish(self) -> str:
        held, self._held = self._held, ""
        return "".join(map(_show, held))


def _show(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _OBEYED:
        return character
    return character.encode("unicode_escape").decode("ascii")
