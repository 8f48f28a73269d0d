"""Untrusted text made safe to print, log and compare."""

from __future__ import annotations

import os
import unicodedata
from typing import Final

from ostiary.core.limits import MAX_QUOTED_CHARACTERS

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_invisible(character: str) -> bool:
    """Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph separators."""
    return unicodedata.category(character) in _INVISIBLE


def quote_untrusted(text: str, max_characters: int = MAX_QUOTED_CHARACTERS) -> str:
    """`text` on one line: what a terminal could interpret or an eye not see is escaped, the rest cut short."""
    cut = text[:max_characters]
    if cut.isprintable() and "\\" not in cut:  # nearly always, and a hundred times as fast
        safe = cut
    else:
        safe = "".join(
            c.encode("unicode_escape").decode("ascii") if is_invisible(c) or c == "\\" else c for c in cut
        )
    return safe if len(cut) == len(text) else f"{safe}... ({len(text)} characters)"


def explain_os_error(error: OSError) -> str:
    """Why the operating system refused, in its own words and ours for none: no path, unlike str(error)."""
    return os.strerror(error.errno).lower() if error.errno else "input/output error"
