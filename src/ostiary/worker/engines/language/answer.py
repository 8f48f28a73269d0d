"""One answer in the making: its caches, its sampler, and its tokens on their way to text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from ostiary.core.json_text import JsonValue
from ostiary.core.thought_styles import Thinking, describe_thinking
from ostiary.core.values import dataclass
from ostiary.worker.engines.language.constraint import Constraint
from ostiary.worker.engines.language.options import Generation
from ostiary.worker.engines.language.sampling import Sampler, derive_seed
from ostiary.worker.engines.language.stop import StopFinder
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer

_LEAST_LOGPROB: Final = -9999.0
"""What JSON can say of a token that cannot be."""


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    """The model ended it, or a stop text was reached."""
    LENGTH = "length"
    """It has as many tokens as it may have."""


@dataclass(frozen=True, slots=True)
class TokenOdds:
    """How likely a token was, and which were likeliest."""

    logprob: float
    top: tuple[tuple[int, float], ...]


class Answer:
    """One choice of one call."""

    def __init__(
        self,
        call_id: int,
        choice: int,
        *,
        prompt: Sequence[int],
        generation: Generation,
        max_tokens: int,
        seed: int,
        eos_ids: frozenset[int],
        tokenizer: TextTokenizer,
        is_chat: bool,
        shown: frozenset[int] = frozenset(),
        constraint: Constraint | None = None,
        thinking: Thinking | None = None,
    ) -> None:
        """`shown`: special tokens that appear in the text. `constraint`: what it is held to. `thinking`: told with
        the first token.
        """
        self.call_id: Final = call_id
        self.choice: Final = choice
        self.caches: list[Any] = []
        self.sampler: Final = Sampler(generation.sampling, derive_seed(seed, choice), prompt)
        self.logprobs: Final = generation.logprobs
        self.last_token = prompt[-1]
        self.asked = 0
        """Tokens that were asked for."""
        self.count = 0
        """Tokens that came."""
        self.finish: Finish | None = None
        self.stop: str | None = None
        self.constraint: Final = constraint
        self._thinking: Final = thinking
        self._max_tokens: Final = max_tokens
        self._eos_ids: Final = frozenset[int]() if generation.ignore_eos else eos_ids
        self._tokenizer: Final = tokenizer
        self._text: Final = tokenizer.start_detokenizer(
            show_special=generation.show_special, drops_first_space=is_chat, shown=shown
        )
        self._stops: Final = StopFinder(generation.stop)

    @property
    def wants_more(self) -> bool:
        return self.finish is None and self.asked < self._max_tokens

    @property
    def is_over(self) -> bool:
        return self.finish is not None

    def take(self, token: int, odds: TokenOdds | None) -> dict[str, JsonValue]:
        """The next token came. What there is to say of it; the last time, `finish` is set."""
        self.last_token = token
        self.count += 1
        self.sampler.note(token)
        piece: dict[str, JsonValue] = {"choice": self.choice, "tokens": [token]}
        if self.count == 1 and self._thinking is not None:
            piece["thinking"] = describe_thinking(self._thinking)
        if odds is not None:
            piece["logprobs"] = [self._describe_odds(token, odds)]
        if token in self._eos_ids:
            self.finish = Finish.STOP
            cut = self._stops.feed(self._text.finish())
        else:
            cut = self._stops.feed(self._text.add(token))
            is_whole = self._is_whole(token)
            if cut.stop is None and (is_whole or self.count == self._max_tokens):
                self.finish = Finish.STOP if is_whole else Finish.LENGTH
                more = self._stops.feed(self._text.finish())
                cut = more._replace(text=cut.text + more.text)
        if cut.stop is not None:
            self.finish, self.stop = Finish.STOP, cut.stop
        held = self._stops.flush() if self.finish is not None else ""
        piece["text"] = cut.text + held
        return piece

    def foresee(self, token: int) -> None:
        """The next token is this one, as whoever begins a pass behind it has to know. `take` follows."""
        if self.constraint is not None and token not in self._eos_ids:
            self.constraint.advance(token)

    def _is_whole(self, token: int) -> bool:
        """Whether what it is held to leaves nothing more to say."""
        if self.constraint is None:
            return False
        if self.constraint.count < self.count:  # else the pass that was begun behind this token needed to know
            self.constraint.advance(token)
        return self.constraint.is_over

    def describe_end(self) -> dict[str, JsonValue]:
        """How it ended, for the result of its call."""
        finish = None if self.finish is None else self.finish.value
        return {"choice": self.choice, "finish": finish, "stop": self.stop, "tokens": self.count}

    def _describe_odds(self, token: int, odds: TokenOdds) -> JsonValue:
        described = self._describe_token(token, odds.logprob)
        described["top"] = [self._describe_token(number, logprob) for number, logprob in odds.top]
        return described

    def _describe_token(self, token: int, logprob: float) -> dict[str, JsonValue]:
        piece = self._tokenizer.piece(token)
        return {
            "token": token,
            "text": piece.decode("utf-8", "replace"),
            "bytes": list(piece),
            "logprob": max(logprob, _LEAST_LOGPROB) if math.isfinite(logprob) else _LEAST_LOGPROB,
        }
