"""When a key expires, as somebody writes it on the command line. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from ostiary.core.limits import MAX_KEY_DAYS
from ostiary.core.text import quote_untrusted
from ostiary.errors import USAGE, Misuse

_UNITS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_SPAN: Final = re.compile(r"(\d{1,9}) ?(s|min|h|d|w|y)", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?", re.ASCII)
WORDS: Final = "30d, 12h or 1y, the end of a day in UTC as 2030-01-31, a moment as 2030-01-31T12:00:00Z, or never"
_HINT: Final = f"Write {WORDS}."
_END_OF_DAY: Final = "T23:59:59"


def parse_when(text: str, now: int) -> int | None:
    """In seconds since 1970; None: never. A day is meant to its end, as in `ostiary sign`. Raises Misuse(USAGE)."""
    if text == "never":
        return None
    when = _parse(text, now)
    if when is None:
        raise Misuse(USAGE, f"'{quote_untrusted(text, 40)}' is no time to expire at", hint=_HINT)
    if when <= now:
        raise Misuse(USAGE, f"'{quote_untrusted(text, 40)}' is over already", hint="Revoke the key, to end it now.")
    if when - now > MAX_KEY_DAYS * _UNITS["d"]:
        raise Misuse(
            USAGE, f"'{quote_untrusted(text, 40)}' is more than {int(MAX_KEY_DAYS):,} days away", hint=_HINT
        )
    return when


def _parse(text: str, now: int) -> int | None:
    span = _SPAN.fullmatch(text)
    if span is not None:
        return now + int(span[1]) * _UNITS[span[2]]
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = text.removesuffix("Z") if "T" in text else f"{text}{_END_OF_DAY}"
        return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
