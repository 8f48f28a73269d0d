"""Forms that several of OpenAI's addresses share. Closed: what is not in them is refused by its name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ostiary.core.limits import MAX_CALL_CHOICES, MAX_CALL_LOGPROBS, MAX_STOP_TEXTS

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Label = Annotated[str, msgspec.Meta(max_length=512)]
Labels = Annotated[dict[str, Label], msgspec.Meta(max_length=16)]
"""They name whoever asks, in the words of an application: taken, and used for nothing."""
Stop = str | Annotated[list[str], msgspec.Meta(max_length=int(MAX_STOP_TEXTS))]
Choices = Annotated[int, msgspec.Meta(ge=1, le=int(MAX_CALL_CHOICES))]
Logprobs = Annotated[int, msgspec.Meta(ge=0, le=int(MAX_CALL_LOGPROBS))]
Seed = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Bias = Annotated[float, msgspec.Meta(ge=-100, le=100)]


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a stream is told."""

    include_usage: bool | None = None
    """Whether the last event says what it cost."""
    include_obfuscation: Literal[False] | None = None


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function that an application offers."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema of an object: docs/answer-forms.md lists its keywords."""
    strict: bool | None = None
    """Whether calls are held to the schema also where the model chooses whether to call."""


class PromptDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the tokens of a prompt."""

    cached_tokens: int


class UsageForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it cost."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
