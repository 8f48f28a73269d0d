"""Tokens to text, one by one: never half a character, and nothing said twice.

Where the tokenizer's decoder is known each token is some bytes, and a text is those bytes as UTF-8. Any other
decoder is asked for the text of a few tokens again and again, and what is new of it is shown.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Final, Protocol

_REPLACED: Final = "\ufffd"
_WINDOW: Final = 16
"""How many tokens are decoded together where a token's text depends on its neighbours."""


class Detokenizer(Protocol):
    """Of one sequence."""

    def add(self, token: int) -> str:
        """The text that is certain now."""

    def finish(self) -> str:
        """The rest: what is still open becomes replacement characters."""


class ByteDetokenizer:
    """For tokens that are bytes.

    `find_piece`: the bytes of an id, none for an id without a word. `silent`: ids that say nothing.
    """

    def __init__(
        self, find_piece: Callable[[int], bytes], silent: frozenset[int], *, drops_first_space: bool
    ) -> None:
        self._find_piece: Final = find_piece
        self._silent: Final = silent
        self._decoder: Final = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_start = drops_first_space

    def add(self, token: int) -> str:
        return "" if token in self._silent else self._trim(self._decoder.decode(self._find_piece(token)))

    def finish(self) -> str:
        return self._trim(self._decoder.decode(b"", final=True))

    def _trim(self, text: str) -> str:
        if not self._at_start or not text:
            return text
        self._at_start = False
        return text.removeprefix(" ")


class WindowDetokenizer:
    """For any decoder. `decode`: ids to text; `silent`: ids that say nothing."""

    def __init__(self, decode: Callable[[Sequence[int]], str], silent: frozenset[int]) -> None:
        self._decode: Final = decode
        self._silent: Final = silent
        self._tokens: list[int] = []
        self._shown = 0
        """How many of the tokens are in what was shown."""

    def add(self, token: int) -> str:
        if token in self._silent:
            return ""
        self._tokens.append(token)
        before = self._decode(self._tokens[: self._shown])
        now = self._decode(self._tokens)
        is_open = now.endswith(_REPLACED) or not now.startswith(before)
        if is_open and len(self._tokens) - self._shown < _WINDOW:
            return ""
        self._shown = len(self._tokens)
        if self._shown > 2 * _WINDOW:
            del self._tokens[:-_WINDOW]
            self._shown = len(self._tokens)
        return now[len(before) :]

    def finish(self) -> str:
        before, now = self._decode(self._tokens[: self._shown]), self._decode(self._tokens)
        self._shown = len(self._tokens)
        return now[len(before) :]
