"""Many answers, one token each in a pass. The next pass is opened before the last one's tokens are looked at.

A pass is opened, computed stage by stage, and completed: that chooses its tokens. Answers join and leave between
passes. What was begun for an answer that then ended is wasted on it and harms nobody: its caches are its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.worker.engines.language.answer import Answer, TokenOdds
from ostiary.worker.engines.language.library import begin_computing
from ostiary.worker.engines.language.masks import mask_row
from ostiary.worker.engines.language.rows import forward_rows
from ostiary.worker.engines.language.sampling import find_top
from ostiary.worker.engines.language.stages import Stages, collect_stages

_CLEAR_PASSES: Final = 256
"""After so many passes MLX gives freed memory back, as MLX-LM has it do."""


@dataclass(frozen=True, slots=True)
class _Odds:
    """On its way: the log-probability of the chosen token, and the likeliest ones."""

    chosen: mx.array
    top_ids: mx.array | None
    top_values: mx.array | None


@dataclass(frozen=True, slots=True)
class OpenPass:
    """A pass on its way. Its tokens are not chosen yet."""

    answers: Sequence[Answer]
    logits: mx.array
    stages: Stages


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass that was begun."""

    answers: Sequence[Answer]
    tokens: mx.array
    """One for each answer."""
    sums: mx.array
    """The logarithm of the sum of all odds: finite as long as the network computes with numbers."""
    odds: Sequence[_Odds | None]


@dataclass(frozen=True, slots=True)
class Token:
    """What came out of a pass for one answer. `is_number`: False where the network lost its numbers."""

    answer: Answer
    token: int
    is_number: bool
    odds: TokenOdds | None


class Batch:
    """For one network. `together`: whether its rows go through it in one pass."""

    def __init__(self, model: Any, ends: frozenset[int] = frozenset(), *, together: bool) -> None:
        """`ends`: the tokens that end an answer."""
        self._model: Final = model
        self._ends: Final = sorted(ends)
        self._together: Final = together
        self._passes = 0

    def begin(self, answers: Sequence[Answer]) -> Pass:
        """A pass for answers whose tokens are all known, without a pause."""
        return self.complete(self.open(answers, None), None)

    def open(self, answers: Sequence[Answer], before: Pass | None) -> OpenPass:
        """A pass of which nothing is computed. `before`: the pass whose tokens nobody has looked at yet."""
        unread = _find_unread(answers, before)
        stages = collect_stages()
        logits = forward_rows(
            self._model,
            _join_inputs(answers, unread, before)[:, None],
            [answer.caches for answer in answers],
            [1] * len(answers),
            together=self._together,
            stages=stages,
        )
        for answer in answers:
            answer.asked += 1
        return OpenPass(answers, logits, Stages(stages))

    def complete(self, opened: OpenPass, before: Pass | None) -> Pass:
        """The rest of it. `before`: as for `open`, or None where its tokens were looked at meanwhile."""
        answers, logits = opened.answers, opened.logits
        unread = _find_unread(answers, before)
        if any(answer.sampler.has_processors or answer.constraint is not None for answer in answers):
            rows = [
                answer.sampler.process(logits[row : row + 1], unread[row])
                if answer.sampler.has_processors
                else logits[row : row + 1]
                for row, answer in enumerate(answers)
            ]
            self._hold(answers, rows, unread)
            logits = mx.concatenate(rows)
        sums = mx.logsumexp(logits, axis=-1, keepdims=True)
        logprobs = logits - sums
        tokens = _choose(answers, logprobs)
        odds = [_find_odds(answer, logprobs[row : row + 1], tokens[row]) for row, answer in enumerate(answers)]
        begun = Pass(answers, tokens, sums[:, 0].astype(mx.float32), odds)
        begin_computing(begun.tokens, begun.sums, _arrays_of(odds), [answer.sampler.state for answer in answers])
        return begun

    def _hold(self, answers: Sequence[Answer], rows: list[mx.array], unread: Sequence[mx.array | None]) -> None:
        """Takes from the rows, in place, what does not fit. They are computed while it is found out."""
        if all(answer.constraint is None for answer in answers):
            return
        begin_computing(rows)
        for row, answer in enumerate(answers):
            if answer.constraint is not None:
                token = unread[row]
                if token is not None:
                    answer.foresee(int(str(token.item())))
                rows[row] = mask_row(rows[row], answer.constraint, self._ends)

    def finish(self, begun: Pass) -> list[Token]:
        """Waits for its tokens."""
        tokens: Any = begun.tokens.tolist()
        sums: Any = begun.sums.tolist()
        self._passes += 1
        if self._passes % _CLEAR_PASSES == 0:
            mx.clear_cache()
        return [
            Token(answer, token, math.isfinite(total), _read_odds(odds))
            for answer, token, total, odds in zip(begun.answers, tokens, sums, begun.odds, strict=True)
        ]


def _find_unread(answers: Sequence[Answer], before: Pass | None) -> list[mx.array | None]:
    """For each answer its token in the pass before, which is still on its way."""
    if before is None:
        return [None] * len(answers)
    places = {id(answer): row for row, answer in enumerate(before.answers)}
    rows = [places.get(id(answer)) for answer in answers]
    return [None if row is None else before.tokens[row : row + 1] for row in rows]


def _join_inputs(answers: Sequence[Answer], unread: Sequence[mx.array | None], before: Pass | None) -> mx.array:
    if before is not None and list(map(id, before.answers)) == list(map(id, answers)):
        return before.tokens
    parts = [
        mx.array([answer.last_token], dtype=mx.uint32) if token is None else token.astype(mx.uint32)
        for answer, token in zip(answers, unread, strict=True)
    ]
    return mx.concatenate(parts)


def _choose(answers: Sequence[Answer], logprobs: mx.array) -> mx.array:
    if all(answer.sampler.is_greedy for answer in answers):
        return mx.argmax(logprobs, axis=-1)
    return mx.concatenate([answer.sampler.draw(logprobs[row : row + 1]) for row, answer in enumerate(answers)])


def _find_odds(answer: Answer, logprobs: mx.array, token: mx.array) -> _Odds | None:
    if answer.logprobs is None:
        return None
    chosen = mx.take_along_axis(logprobs, token.reshape(1, 1), axis=-1).astype(mx.float32)
    if not answer.logprobs:
        return _Odds(chosen, None, None)
    ids, values = find_top(logprobs, answer.logprobs)
    return _Odds(chosen, ids, values.astype(mx.float32))


def _read_odds(odds: _Odds | None) -> TokenOdds | None:
    if odds is None:
        return None
    chosen: Any = odds.chosen.item()
    if odds.top_ids is None or odds.top_values is None:
        return TokenOdds(chosen, ())
    ids: Any = odds.top_ids.flatten().tolist()
    values: Any = odds.top_values.flatten().tolist()
    return TokenOdds(chosen, tuple(zip(ids, values, strict=True)))


def _arrays_of(odds: Sequence[_Odds | None]) -> list[mx.array]:
    found: list[mx.array] = []
    for entry in odds:
        if entry is not None:
            found += [array for array in (entry.chosen, entry.top_ids, entry.top_values) if array is not None]
    return found
