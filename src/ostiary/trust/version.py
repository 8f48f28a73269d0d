"""The order of model versions (docs/policy.md, "Versions").

A version is one to six whole numbers joined by dots, then perhaps a pre-release as in Semantic Versioning 2.0.0:
`1`, `2.1`, `2024.11.3`, `3.0-rc.1`. Numbers compare as numbers and missing ones count as 0, so `1` and `1.0` are
the same version. A pre-release comes before its release. Anything else is refused rather than guessed: an order
that two programs could see differently is no protection against a rollback.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import total_ordering
from typing import Final

from ostiary.core.limits import MAX_MODEL_VERSION_CHARACTERS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_MALFORMED, TrustRefused

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,9})"
_WORD: Final = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
PATTERN: Final = rf"{_NUMBER}(?:\.{_NUMBER}){{0,5}}(?:-{_WORD}(?:\.{_WORD})*)?"
"""The whole grammar; docs/reference/policy.schema.json has the same."""
_VERSION: Final = re.compile(PATTERN, re.ASCII)
_NUMBERS: Final = 6

_Word = tuple[int, int, str]
"""A pre-release word so that tuples compare as SemVer section 11 says: numbers first, by value, then text."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """Compared and hashed by its place in the order, shown as it was written."""

    text: str
    key: tuple[tuple[int, ...], int, tuple[_Word, ...]] = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


def parse_version(text: str) -> Version:
    """Reads one version; refuses everything that is not one."""
    if len(text) > MAX_MODEL_VERSION_CHARACTERS or not _VERSION.fullmatch(text):
        raise TrustRefused(
            TRUST_MALFORMED,
            f"{quote_untrusted(text, 40)!r} is not a version",
            hint="Write whole numbers joined by dots, such as 1.2 or 2.0-rc.1.",
        )
    numbers, dash, words = text.partition("-")
    parts = tuple(int(number) for number in numbers.split("."))
    padded = parts + (0,) * (_NUMBERS - len(parts))
    pre_release = tuple(_order_word(word) for word in words.split(".")) if dash else ()
    return Version(text, (padded, 0 if dash else 1, pre_release))


def _order_word(word: str) -> _Word:
    return (0, int(word), "") if word.isdigit() else (1, 0, word)
