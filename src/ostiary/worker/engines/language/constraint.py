"""Answers that are held to a grammar: which tokens fit next, told by llguidance.

It says so of one state at a time, within budgets of its own for each step; a grammar that would take more fails the
one answer that it was made for. It is used through an interface that does not raise for what a caller wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from ostiary.core.call_sentences import (
    IN_A_CIRCLE,
    JOINS_WORDS,
    NO_PATTERN,
    NO_VALUE,
    NOT_APART,
    NOT_TOGETHER,
    NOT_WRITABLE,
    TOO_MUCH,
)
from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer

_LIMITS: Final = LLParserLimits(
    max_items_in_row=2_000,
    initial_lexer_fuel=1_000_000,
    step_lexer_fuel=200_000,
    step_max_items=50_000,
    max_lexer_states=50_000,
    max_grammar_size=200_000,
    precompute_large_lexemes=False,
    verbose_errors=False,
)
"""About 20 ms for a step at most. A state is 1 to 2 KB; precomputed lexemes would make a grammar slow to begin."""
_SENTENCES: Final = (
    ("Unsatisfiable schema", NO_VALUE),
    ("regex parse error", NO_PATTERN),
    ("oneOf constraints", NOT_APART),
    ("Unimplemented keys", NOT_TOGETHER),
    ("circular references", IN_A_CIRCLE),
)


@dataclass(frozen=True, slots=True)
class Mask:
    """Which tokens fit."""

    bits: bytes
    """One for each token, the lowest first, in words of 32."""
    may_end: bool
    """Whether the answer may end here."""


class Constraint:
    """Of one answer."""

    def __init__(self, matcher: LLMatcher, end: int) -> None:
        """`end`: the token of the vocabulary that stands for every end of an answer."""
        self._matcher: Final = matcher
        self._end: Final = end
        self.count = 0
        """Tokens that it has seen."""
        self._is_ended = False
        self.failure: str | None = None
        """Why it cannot go on: a sentence of ours."""

    @property
    def is_over(self) -> bool:
        """Whether nothing fits any more but the end."""
        return self.failure is None and (self._is_ended or bool(self._matcher.is_stopped()))

    def advance(self, token: int) -> None:
        """The next token is this one. One that ends the answer is not shown to it."""
        self.count += 1
        if self.failure is None and not self._matcher.consume_token(token):
            self.failure = self._explain_end()

    def read_mask(self) -> Mask | None:
        """What fits now. None: nothing does, or it has failed."""
        if self.failure is not None or self.is_over:
            return None
        bits = bytearray(self._matcher.compute_bitmask())
        if self._matcher.is_error():
            self.failure = self._explain_end()
            return None
        place, bit = divmod(self._end, 8)
        may_end = bool(bits[place] >> bit & 1)
        bits[place] &= ~(1 << bit)
        if any(bits):
            return Mask(bytes(bits), may_end)
        self._is_ended = may_end
        if not may_end:
            self.failure = NOT_WRITABLE
        return None

    def _explain_end(self) -> str:
        """Where a text is the only one that fits and has no tokens, it lets one pass that does not fit."""
        return NOT_WRITABLE if "satisfy the grammar" in self._matcher.get_error() else TOO_MUCH

    def copy(self) -> Constraint:
        """For another answer to the same prompt."""
        return Constraint(self._matcher.deep_copy(), self._end)


class Vocabulary:
    """The bytes of every token of one model, as the library wants them. Made when it is first needed."""

    def __init__(self, tokenizer: TextTokenizer, rows: int, unwritten: Iterable[int]) -> None:
        """`unwritten`: tokens that say nothing. Raises CallUnfit where the bytes of a token depend on others."""
        if not tokenizer.has_plain_pieces:
            raise CallUnfit(JOINS_WORDS)
        silent = frozenset(unwritten)
        self.end: Final = rows
        pieces = [b"" if token in silent else tokenizer.piece(token) for token in range(rows)]
        self._tokenizer: Final = _open_words([*pieces, b"<end>"])

    def compile(self, grammar: str) -> Constraint:
        """Raises CallUnfit."""
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=_LIMITS)
        if matcher.is_error():
            raise CallUnfit(_explain(matcher.get_error()))
        return Constraint(matcher, self.end)


class _Words:
    """What the library asks a tokenizer for."""

    bos_token_id: int | None = None

    def __init__(self, tokens: list[bytes]) -> None:
        self.tokens: Final = tokens
        self.eos_token_id: Final = len(tokens) - 1
        self.special_token_ids: Final = [self.eos_token_id]
        self.opened: LLTokenizer | None = None

    def __call__(self, text: Any) -> list[int]:
        """Where a text is the only one that fits: the longest word at each place."""
        if self.opened is None or not isinstance(text, str):
            raise TypeError("texts only")
        return list(self.opened.greedy_tokenize(text))


def _open_words(tokens: list[bytes]) -> LLTokenizer:
    """The last one stands for the end."""
    words = _Words(tokens)
    words.opened = LLTokenizer(
        TokenizerWrapper(words), n_vocab=len(tokens), eos_token=words.eos_token_id, slices=[]
    )
    return words.opened


def use_once() -> None:
    """Before the wall: whatever the library does when it is first used."""
    tokenizer = _open_words([*(bytes([byte]) for byte in range(256)), b"<end>"])
    matcher = LLMatcher(tokenizer, 'start: %json {"type": "string", "pattern": "a+"}', log_level=0, limits=_LIMITS)
    matcher.compute_bitmask()


def _explain(error: str) -> str:
    """What it says has the schema in it, so it is not passed on."""
    return next((sentence for begin, sentence in _SENTENCES if begin in error), TOO_MUCH)
