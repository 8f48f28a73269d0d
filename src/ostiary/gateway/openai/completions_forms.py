"""/v1/completions: the forms of what it takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ostiary.core.limits import MAX_LOGIT_BIASES, MAX_REQUEST_TOKENS
from ostiary.gateway.openai.chat_forms import Context
from ostiary.gateway.openai.shared_forms import (
    Bias,
    Choices,
    Count,
    Label,
    Logprobs,
    Name,
    Penalty,
    Positive,
    Probability,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    UsageForm,
)

TokenIds = Annotated[list[int], msgspec.Meta(min_length=1, max_length=int(MAX_REQUEST_TOKENS))]


class CompletionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked. Fields that may only be null are known to clients of OpenAI and not supported here."""

    prompt: (
        str | Annotated[list[str | int | TokenIds], msgspec.Meta(min_length=1, max_length=int(MAX_REQUEST_TOKENS))]
    )
    """A text, or token ids; or a list with one of them in it."""
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
    logprobs: Logprobs | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    """As many as `n`: none is thrown away."""
    seed: Seed | None = None
    stop: Stop | None = None
    echo: Literal[False] | None = None
    user: Label | None = None
    suffix: None = None


class CompletionLogprobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of each token: where its text begins in the answer, which it is, and how likely it and others were."""

    text_offset: list[int]
    token_logprobs: list[float]
    tokens: list[str]
    top_logprobs: list[dict[str, float]]


class CompletionChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]


class Completion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: UsageForm
    system_fingerprint: str
    """Of the bytes of the model, as `ostiary verify` shows them."""
    object: Literal["text_completion"] = "text_completion"


class CompletionPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class CompletionChunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    created: int
    model: str
    choices: list[CompletionPart]
    system_fingerprint: str
    usage: UsageForm | None = None
    object: Literal["text_completion"] = "text_completion"
