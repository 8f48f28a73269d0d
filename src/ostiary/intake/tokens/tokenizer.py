"""What is known of a tokenizer once it was read: which ids it can give, and to which texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ostiary.core.findings import Finding
from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that is recognised before the text is split. `id` is what the file says."""

    id: int
    content: str
    special: bool


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer.json that follows its format and whose parts are bounded."""

    model_type: str
    """BPE, WordPiece, WordLevel or Unigram."""
    size: int
    """Different tokens, added ones included."""
    max_id: int
    """The highest id that can come out, also from templates and padding; -1 without any token."""
    added: tuple[AddedToken, ...]
    vocabulary: Mapping[str, int] = field(repr=False)
    """The model's own tokens, added ones not included."""
    notes: tuple[Finding, ...]

    @property
    def special_tokens(self) -> tuple[str, ...]:
        return tuple(token.content for token in self.added if token.special)

    def has_token(self, content: str) -> bool:
        return content in self.vocabulary or any(token.content == content for token in self.added)
