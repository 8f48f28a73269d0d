"""What is asked of a language model and what it says: values that every door, room and walk shares."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ostiary.core.thought_styles import Thinking
from ostiary.core.values import dataclass


class Operation(StrEnum):
    """What a request wants of the engine."""

    GENERATE = "generate"
    """Go on from a text, or from token ids."""
    CHAT = "chat"
    """The next message of a conversation."""
    INFER = "infer"
    """What a function gives for these tensors."""
    EMBED = "embed"
    """A vector that stands for a text."""
    RENDER = "render_template"
    """What a conversation is to the model: how many tokens. Nothing is generated."""


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    """The model ended it, or a stop text was reached."""
    LENGTH = "length"
    """It has as many tokens as it may have."""


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What somebody asks, in the words of docs/language-engine.md. A claim: nothing is checked."""

    operation: Operation
    fields: Mapping[str, object]
    timeout_seconds: object = None
    """None: as long as the model's limits allow."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was, by its natural logarithm."""

    token: int
    """Its id."""
    text: str
    raw: bytes
    """Its bytes: one token may be a part of a character."""
    logprob: float
    top: tuple[TokenLogprob, ...] = ()
    """The likeliest tokens in its place, the likeliest first, as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of an answer, as it came. Its text may be empty: a character can have several tokens."""

    text: str
    tokens: tuple[int, ...]
    choice: int = 0
    """Which of the answers, where several were asked for."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """Of its tokens, where they were asked for."""
    reasoning: str = ""
    """What the model thinks before it answers, where it writes that so that it can be told from the text."""
    written: str = ""
    """As the model wrote it: texts, and thoughts with their marks."""
    thinking: Thinking | None = None
    """With the first piece of an answer that may have thoughts."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer, whole."""

    text: str
    tokens: tuple[int, ...]
    finish_reason: FinishReason
    stop: str | None = None
    """The stop text that was reached. It is not part of `text`."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    reasoning: str = ""
    """What the model thought before it answered."""
    written: str = ""
    """As the model wrote it: texts, and thoughts with their marks."""
    thinking: Thinking | None = None
    """Where it may have thoughts."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that a model wants to be called. Nobody vouches for the arguments but as far as they were held to."""

    name: str
    """One that was offered."""
    arguments: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost."""

    prompt_tokens: int
    """As the engine counts them."""
    cached_tokens: int
    """How many of those were known from an earlier request of the same tenant."""
    completion_tokens: int
    """Of all answers together, counted outside the wall."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Timings:
    """In seconds, as whoever asked felt them."""

    total_seconds: float
    first_token_seconds: float | None
    """None where no token came."""
