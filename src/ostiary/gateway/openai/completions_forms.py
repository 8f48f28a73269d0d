"""/v1/completions: the forms of what it takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ostiary.core.limits import MAX_REQUEST_TOKENS
from ostiary.gateway.openai.sampling_forms import SamplingBody
from ostiary.gateway.openai.shared_forms import Choices, Logprobs, UsageForm

TokenIds = Annotated[list[int], msgspec.Meta(min_length=1, max_length=int(MAX_REQUEST_TOKENS))]


class CompletionBody(SamplingBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked. Fields that may only be null are known to clients of OpenAI and not supported here."""

    prompt: (
        str | Annotated[list[str | int | TokenIds], msgspec.Meta(min_length=1, max_length=int(MAX_REQUEST_TOKENS))]
    )
    """A text, or token ids; or a list with one of them in it."""
    logprobs: Logprobs | None = None
    best_of: Choices | None = None
    """As many as `n`: none is thrown away."""
    echo: Literal[False] | None = None
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
