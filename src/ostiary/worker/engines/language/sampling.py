"""From logits to the next token, one row at a time: what else is in a batch changes nothing.

Bias, penalties, top-p, min-p and top-k are MLX-LM's own functions in its own order, and randomness runs along a key
as MLX's own state does: so a call alone gives what plain MLX-LM gives after `mx.random.seed(seed)`. But where a
temperature or a share (top-p) is so small that numbers of the model's kind overflow or vanish, MLX-LM's would draw
any token at all, such as one that a form forbids: there the likeliest is taken, as it would be with exact numbers.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.networks.library import import_part
from ostiary.worker.engines.language.options import Sampling

Filter = Callable[[mx.array], mx.array]
Processor = Callable[[mx.array, mx.array], mx.array]

SEED_BITS: Final = 64
_SMALL_TEMPERATURE: Final = 1e-3
_SMALL_SHARE: Final = 1e-2
"""Below, numbers of 16 bits are too coarse."""
_STEEPEST: Final = 1e30
"""Log-probabilities times this are numbers yet, of 32 bits."""


def draw_seed() -> int:
    return secrets.randbits(SEED_BITS)


def derive_seed(seed: int, choice: int) -> int:
    """The seed of the n-th answer to one prompt. The first has the call's own."""
    if not choice:
        return seed
    digest = hashlib.blake2b(f"{seed}/{choice}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Sampler:
    """Chooses the tokens of one sequence. Holds its random state, and which tokens penalties look back at."""

    def __init__(self, sampling: Sampling, seed: int, prompt: Sequence[int]) -> None:
        self._sampling: Final = sampling
        self._filters: Final = _make_filters(sampling)
        self._processors: Final = _make_processors(sampling)
        self._key = mx.random.key(seed)
        self._context: Final = sampling.penalties.longest_context if self._processors else 0
        self._recent = list(prompt[-self._context :]) if self._context else []

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken as it comes: then rows are chosen from together."""
        return self._sampling.temperature == 0

    @property
    def has_processors(self) -> bool:
        return bool(self._processors)

    @property
    def state(self) -> mx.array:
        """What has to be computed along with a token."""
        return self._key

    def process(self, logits: mx.array, unread: mx.array | None) -> mx.array:
        """Bias and penalties on one row. `unread`: a token that was chosen and not noted yet."""
        recent = mx.array(self._recent, dtype=mx.int32)
        if unread is not None and self._context:
            recent = mx.concatenate([recent, unread.astype(mx.int32)])
        for processor in self._processors:
            logits = processor(recent, logits)
        return logits

    def note(self, token: int) -> None:
        """A token of the sequence is known."""
        if self._context:
            self._recent.append(token)
            del self._recent[: -self._context]

    def draw(self, logprobs: mx.array) -> mx.array:
        """One token from one row of log-probabilities."""
        if self.is_greedy:
            return mx.argmax(logprobs, axis=-1)
        for narrow in self._filters:
            logprobs = narrow(logprobs)
        keys = mx.random.split(self._key)
        self._key = keys[0]
        return mx.random.categorical(_sharpen(logprobs, self._sampling.temperature), key=keys[1])


def _sharpen(logprobs: mx.array, temperature: float) -> mx.array:
    if temperature >= _SMALL_TEMPERATURE:
        return logprobs * (1.0 / temperature)
    below = (logprobs - logprobs.max(axis=-1, keepdims=True)).astype(mx.float32)
    return below * min(1.0 / temperature, _STEEPEST)


def _make_filters(sampling: Sampling) -> list[Filter]:
    tools: Any = import_part("sample_utils")
    filters: list[Filter] = []
    if sampling.top_p < _SMALL_SHARE:

        def keep_few(row: mx.array) -> mx.array:
            kept = tools.apply_top_p(row.astype(mx.float32), sampling.top_p).astype(row.dtype)
            return mx.where(row == row.max(axis=-1, keepdims=True), row, kept)

        filters.append(keep_few)
    elif sampling.top_p < 1:
        filters.append(lambda row: tools.apply_top_p(row, sampling.top_p))
    if sampling.min_p:
        filters.append(lambda row: tools.apply_min_p(row, sampling.min_p, 1))
    if sampling.top_k:
        filters.append(
            lambda row: tools.apply_top_k(row, sampling.top_k) if sampling.top_k < row.shape[-1] else row
        )
    return filters


def _make_processors(sampling: Sampling) -> list[Processor]:
    penalties = sampling.penalties
    made: list[Processor] = import_part("sample_utils").make_logits_processors(
        logit_bias=dict(sampling.bias) if sampling.bias else None,
        repetition_penalty=penalties.repetition,
        repetition_context_size=penalties.repetition_context,
        presence_penalty=penalties.presence,
        presence_context_size=penalties.presence_context,
        frequency_penalty=penalties.frequency,
        frequency_context_size=penalties.frequency_context,
    )
    return made


def find_top(logprobs: mx.array, count: int) -> tuple[mx.array, mx.array]:
    """The likeliest tokens of one row and their log-probabilities, the likeliest first."""
    count = min(count, logprobs.shape[-1])
    some = mx.argpartition(-logprobs, kth=count - 1, axis=-1)[..., :count]
    values = mx.take_along_axis(logprobs, some, axis=-1)
    order = mx.argsort(-values, axis=-1)
    return mx.take_along_axis(some, order, axis=-1), mx.take_along_axis(values, order, axis=-1)
