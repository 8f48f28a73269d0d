"""What one model's process may use: each limit with its unit, and how the defaults come from the model. Pure.

The formula, its constants and what each limit does when it is reached: docs/limits.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Final

from ostiary.core.limits import MAX_LENT_BYTES
from ostiary.core.tickets import ModelFacts
from ostiary.core.values import dataclass
from ostiary.errors import CELL_MEMORY_BUDGET, CellRefused

MIB: Final = 1 << 20
GIB: Final = 1 << 30

# Measured: an interpreter with MLX, its layers, tokenizers, templates and OpenBLAS maps 131 MiB to write to.
LEAST_BASE_BYTES: Final = 144 * MIB
BASE_BYTES: Final = 512 * MIB
# The C library reserves 64 MiB of addresses for the heap of each thread, and 8 MiB for its stack.
ADDRESSES_PER_THREAD: Final = 72 * MIB
# Code and read-only data of the interpreter and its libraries; nobody can write to them.
ADDRESSES_OF_CODE: Final = 2 * GIB
# Engines work through a prompt in steps of at most so many tokens.
STEP_TOKENS: Final = 512
CONVERSATIONS: Final = 4
# The largest call of a function, and as much again for calls that wait and for computing more at once.
CALLS_OF_FUNCTIONS: Final = 2
TOKENS_IF_UNSAID: Final = 8_192
TOKENS_AT_MOST: Final = 131_072
# Disks of rented machines; everything that people have at home is faster.
SLOWEST_READ_BYTES_PER_S: Final = 50 * MIB


@dataclass(frozen=True, slots=True)
class CellLimits:
    """Whole numbers, above zero but for `restarts`. The unit is in the name; where there is none, it is a count."""

    memory_bytes: int
    """Memory that the process can write to, whether it did or not; what it shares with nobody."""
    cpu_seconds: int
    """Processor time for one request, of all threads together."""
    wall_seconds: int
    """Time from a request to the end of its answer."""
    load_seconds: int
    """Time from the start of the process until the model is loaded."""
    threads: int
    """Threads at once."""
    tokens: int
    """Tokens of one request, its answer included."""
    descriptors: int
    """Open descriptors at once."""
    restarts: int
    """How often the process is started again, within the window that counts, before the model is quarantined."""

    @property
    def address_bytes(self) -> int:
        """Addresses that the process may have: wider than its memory, as they cost nothing until written to."""
        lent = 2 * MAX_LENT_BYTES
        return self.memory_bytes + lent + ADDRESSES_OF_CODE + self.threads * ADDRESSES_PER_THREAD

    def by_name(self) -> Mapping[str, int]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def derive_limits(facts: ModelFacts, weight_bytes: int, system_memory_bytes: int, cores: int) -> CellLimits:
    """The defaults for a model on a machine. Never raises; `check_memory` says whether the model fits them."""
    tokens = min(facts.context_tokens or TOKENS_IF_UNSAID, TOKENS_AT_MOST)
    threads = cores + 8
    wall_seconds = 600
    need = BASE_BYTES + weight_bytes
    if facts.function is None:
        need += weight_bytes // 4  # what loading holds beside it: tensors that are put together or converted
        need += CONVERSATIONS * _cache_bytes(facts, weight_bytes, tokens) + _activation_bytes(facts, tokens)
    else:
        need += CALLS_OF_FUNCTIONS * facts.function.call_bytes
    return CellLimits(
        memory_bytes=_round_up(min(need, share_of(system_memory_bytes)), MIB),
        cpu_seconds=wall_seconds * cores,
        wall_seconds=wall_seconds,
        load_seconds=30 + weight_bytes // SLOWEST_READ_BYTES_PER_S,
        threads=threads,
        tokens=tokens,
        descriptors=32,
        restarts=3,
    )


def check_memory(limits: CellLimits, weight_bytes: int) -> None:
    """Refuses what could only die while loading: the weights and the engine itself do not fit."""
    need = LEAST_BASE_BYTES + weight_bytes
    if need > limits.memory_bytes:
        raise CellRefused(
            CELL_MEMORY_BUDGET,
            f"the model needs at least {need // MIB:,} MiB; its limit is {limits.memory_bytes // MIB:,} MiB",
        )


def change_limits(limits: CellLimits, changes: Mapping[str, int]) -> CellLimits:
    """The same limits, but for those that somebody set by name."""
    return replace(limits, **changes)


def share_of(system_memory_bytes: int) -> int:
    """What one model may have of the machine: the rest is for everybody else, who asked for it."""
    return max(system_memory_bytes * 4 // 5, BASE_BYTES)


def _cache_bytes(facts: ModelFacts, weight_bytes: int, tokens: int) -> int:
    """Keys and values of one conversation."""
    if facts.cache_bytes_per_token is not None:
        cache = facts.cache_bytes_per_token * tokens
        return cache if facts.cache_bytes_at_context is None else min(cache, facts.cache_bytes_at_context)
    if facts.layers is not None and facts.hidden_size is not None:
        return facts.layers * facts.hidden_size * 2 * 2 * tokens  # no architecture keeps more in 16 bits
    return weight_bytes // 4


def _activation_bytes(facts: ModelFacts, tokens: int) -> int:
    """Two steps of a prompt: what runs through a layer, the scores of attention, what the last layer says.

    Measured: one step of Llamas of 16 to 80 million parameters took 0.5 to 0.9 of half of this.
    """
    hidden = facts.hidden_size or 4_096
    vocabulary = facts.vocabulary or 0
    heads = max(hidden // 64, 1)
    layer = STEP_TOKENS * hidden * 16
    scores = STEP_TOKENS * heads * min(tokens, TOKENS_IF_UNSAID) * 2
    return 2 * 4 * (layer + scores + STEP_TOKENS * vocabulary)  # 32-bit numbers


def _round_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit
