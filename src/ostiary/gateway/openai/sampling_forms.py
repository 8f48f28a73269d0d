"""What chat completions and completions are asked with alike: which model, how it chooses, when it ends."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from ostiary.core.limits import MAX_LOGIT_BIASES, MAX_PENALTY_CONTEXT
from ostiary.gateway.openai.shared_forms import (
    Bias,
    Choices,
    Count,
    Label,
    Name,
    Penalty,
    Positive,
    Probability,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
)

Context = Annotated[int, msgspec.Meta(ge=1, le=int(MAX_PENALTY_CONTEXT))]
SAME_TO_ENGINE: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "presence_context_size",
    "frequency_penalty",
    "frequency_context_size",
    "repetition_penalty",
    "repetition_context_size",
    "logit_bias",
    "n",
    "stop",
)
"""They mean the same to the engine, which checks them."""


class SamplingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a request for text."""

    model: Name | None = None
    """May be left out where one model is served."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    top_k: Count | None = None
    min_p: Probability | None = None
    presence_penalty: Penalty | None = None
    presence_context_size: Context | None = None
    frequency_penalty: Penalty | None = None
    frequency_context_size: Context | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    repetition_context_size: Context | None = None
    logit_bias: Annotated[dict[str, Bias], msgspec.Meta(max_length=int(MAX_LOGIT_BIASES))] | None = None
    n: Choices | None = None
    seed: Seed | None = None
    stop: Stop | None = None
    user: Label | None = None
