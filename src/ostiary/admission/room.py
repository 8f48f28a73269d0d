"""What a model's processes can work on at once, and what a token costs: from verified facts and limits. Pure."""

from __future__ import annotations

from typing import Final

from ostiary.core.tickets import ModelFacts
from ostiary.core.values import dataclass

MIB: Final = 1 << 20
ROWS: Final = 72
"""Answers that the language engine writes at once: 64, as batching gains nothing beyond, and some for newcomers."""
FUNCTION_CALLS: Final = 72
SERIAL_CALLS: Final = 3
"""Of requests that an engine works on one after the other: one at work, one that is there when it is done, and one
of a tenant that has nothing there."""
_BASE_BYTES: Final = 256 * MIB
"""Interpreter, libraries and tokenizer, as the engine reckons."""
_LEAST_BASE_BYTES: Final = 144 * MIB
_CHUNK_TOKENS: Final = 128
_STEP_TOKENS: Final = 256
"""A cache grows by so many at once."""
_SCORE_BYTES: Final = 4 * 2
"""Of each head, for a token of a chunk and a token before it."""
_HEAD_SIZE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a sequence of one model takes. Zeros where nothing is known outside the wall: the engine knows."""

    per_token: int = 0
    """Bytes of keys and values for each token, in all layers."""
    at_most: int | None = None
    """Bytes of one sequence, however long: where layers keep the newest tokens only."""
    score_bytes: int = 0
    context_tokens: int | None = None

    def most_bytes(self, tokens: int, rows: int) -> int:
        """No sequence of so many tokens takes more."""
        tokens = tokens if self.context_tokens is None else min(tokens, self.context_tokens)
        kept = self.per_token * -(-tokens // _STEP_TOKENS) * _STEP_TOKENS
        if self.at_most is not None:
            kept = min(kept, self.at_most)
        return rows * kept + self.score_bytes * min(_CHUNK_TOKENS, tokens) * tokens

    def least_bytes(self, tokens: int, rows: int) -> int:
        """None takes less: layers that keep the newest tokens only are full before the others."""
        if self.at_most is None or not self.context_tokens:
            return 0
        return rows * (self.at_most * min(tokens, self.context_tokens) // self.context_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Of one model, in all its processes together."""

    rows: int
    """Answers, or calls of a function, that are worked on at once."""
    bytes: int
    """For all that is worked on."""
    largest_bytes: int
    """For one request, in one process, that has nothing else to do: what needs more is never let in."""
    costs: Costs = Costs()
    serial: int = SERIAL_CALLS
    is_function: bool = False


def derive_room(facts: ModelFacts, memory_bytes: int, *, workers: int = 1, rows: int | None = None) -> Room:
    """`memory_bytes`: the limit of each of its processes. `rows`: in each, where the operator says."""
    free = max(0, memory_bytes - facts.weight_bytes - _BASE_BYTES)
    largest = max(0, memory_bytes - facts.weight_bytes - _LEAST_BASE_BYTES)
    is_function = facts.function is not None
    usual = FUNCTION_CALLS if is_function else ROWS
    return Room(
        rows=workers * (usual if rows is None else rows),
        bytes=workers * free,
        largest_bytes=largest,
        costs=Costs() if is_function else _derive_costs(facts),
        serial=workers * SERIAL_CALLS,
        is_function=is_function,
    )


def _derive_costs(facts: ModelFacts) -> Costs:
    hidden = facts.hidden_size or 0
    per_token = facts.cache_bytes_per_token
    if per_token is None:
        per_token = (facts.layers or 0) * hidden * 2 * 2  # no architecture keeps more in 16 bits
    return Costs(
        per_token=per_token,
        at_most=facts.cache_bytes_at_context,
        score_bytes=_SCORE_BYTES * max(hidden // _HEAD_SIZE, 1) if hidden else 0,
        context_tokens=None if facts.cache_bytes_per_token is None else facts.context_tokens,
    )
