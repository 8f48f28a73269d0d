"""Tokens that do not fit are taken out of a row of logits, before anything is chosen from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx

if TYPE_CHECKING:
    from ostiary.worker.engines.language.constraint import Constraint

_WORD_BITS = 32


def mask_row(logits: mx.array, constraint: Constraint, ends: Sequence[int]) -> mx.array:
    """`ends`: the tokens that end an answer. Unchanged where the answer ends anyway, or has failed."""
    mask = constraint.read_mask()
    if mask is None:
        return logits
    width = logits.shape[-1]
    memory: Any = memoryview(mask.bits).cast("I")
    words = mx.array(memory)
    bits = ((words[:, None] >> mx.arange(_WORD_BITS, dtype=mx.uint32)) & 1).reshape(-1)[:width].astype(mx.bool_)
    if bits.size < width:
        bits = mx.concatenate([bits, mx.zeros(width - bits.size, dtype=mx.bool_)])
    if ends and mask.may_end:
        bits[mx.array(list(ends))] = True
    return mx.where(bits[None], logits, mx.array(-math.inf, dtype=logits.dtype))
