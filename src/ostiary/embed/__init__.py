"""Verified loads and guarded work for applications that keep MLX in their own process. It checks; it is not a wall.

In: a model's path and whom to believe; arrays and exceptions of the application's own MLX
Out: MLX arrays, MLX-LM's model and tokenizer, or a function, of the very bytes that were verified
Trusts: MLX, MLX-LM and Transformers, which run in the same process as all else there
Refuses: EmbedRefused
Emits: model.embedded, model.failed, model.refused, work.failed, work.refused
"""

from __future__ import annotations

from ostiary.embed.arguments import BeliefArguments
from ostiary.embed.checks import Check, finite, indices, shape, token_ids
from ostiary.embed.function import EmbeddedFunction, load_function
from ostiary.embed.guard import Guard, guard
from ostiary.embed.load import load, load_model

__all__ = [
    "BeliefArguments",
    "Check",
    "EmbeddedFunction",
    "Guard",
    "finite",
    "guard",
    "indices",
    "load",
    "load_function",
    "load_model",
    "shape",
    "token_ids",
]
