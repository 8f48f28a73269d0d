"""Model ids, and the patterns that name many of them.

An id is one or more words joined by `/`, as publishers and hubs write them: `acme/llama-8b`. A pattern is an id, or
the beginning of ids followed by `*`. So two patterns are apart, or one lies wholly within the other, and which of
them an id belongs to can be seen by eye.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.limits import MAX_MODEL_ID_CHARACTERS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_MALFORMED, TrustRefused

_WORD: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
ID_PATTERN: Final = rf"{_WORD}(?:/{_WORD})*"
_ID: Final = re.compile(ID_PATTERN, re.ASCII)
PREFIX_PATTERN: Final = rf"(?:{_WORD}/)*(?:[A-Za-z0-9][A-Za-z0-9._-]*)?\*"
_PREFIX: Final = re.compile(PREFIX_PATTERN, re.ASCII)


def is_model_id(text: str) -> bool:
    return len(text) <= MAX_MODEL_ID_CHARACTERS and _ID.fullmatch(text) is not None


def parse_model_id(text: str) -> str:
    """The id itself; refuses what cannot be one, so that no two spellings look alike."""
    if not is_model_id(text):
        raise TrustRefused(
            TRUST_MALFORMED,
            f"{quote_untrusted(text, 60)!r} is not a model id",
            hint="Write plain letters, digits, '.', '_' and '-', in words joined by '/'.",
        )
    return text


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which ids are meant."""

    text: str

    @property
    def is_prefix(self) -> bool:
        return self.text.endswith("*")

    @property
    def stem(self) -> str:
        return self.text.removesuffix("*")

    def matches(self, model_id: str) -> bool:
        return model_id.startswith(self.stem) if self.is_prefix else model_id == self.text

    def contains(self, other: Pattern) -> bool:
        """Whether every id of `other` is one of this pattern too."""
        return other.stem.startswith(self.stem) if self.is_prefix else self == other

    def overlaps(self, other: Pattern) -> bool:
        return self.contains(other) or other.contains(self)


def parse_pattern(text: str) -> Pattern:
    if len(text) > MAX_MODEL_ID_CHARACTERS or not (_ID.fullmatch(text) or _PREFIX.fullmatch(text)):
        raise TrustRefused(
            TRUST_MALFORMED,
            f"{quote_untrusted(text, 60)!r} is not a pattern of model ids",
            hint="Write a model id, or the beginning of ids followed by one '*', such as 'acme/*'.",
        )
    return Pattern(text)
