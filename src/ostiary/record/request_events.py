"""The events of requests: each request leaves exactly one of these, when it is over."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Content, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class _RequestEnded(Event):
    """What all of them say."""

    opened: Annotated[str, "the correlation id under which the model was opened"]
    root: Annotated[str, "SHA-256 root digest of the model"]
    operation: Annotated[str, "what was asked for: generate, chat, embed, render_template, infer"]
    milliseconds: Annotated[int, "from the request to its end"]
    prompt: Annotated[Content | None, "what was asked, as a salted hash, where the application wants that"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(_RequestEnded):
    """A model answered a request to its end."""

    kind: ClassVar[str] = "request.answered"

    finish: Annotated[tuple[str, ...], "why each answer ended: stop, length"]
    prompt_tokens: Annotated[int, "tokens of the prompt, as the engine counts them"]
    cached_tokens: Annotated[int, "how many of those were known from before"]
    completion_tokens: Annotated[int, "tokens of all answers, counted here"]
    first_milliseconds: Annotated[int, "from the request to the first token"]
    answer: Annotated[Content | None, "what was answered, as a salted hash, where the application wants that"] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestComputed(_RequestEnded):
    """A function gave its outputs for a request."""

    kind: ClassVar[str] = "request.computed"

    input_bytes: Annotated[int, "of all tensors that were asked with"]
    output_bytes: Annotated[int, "of all tensors that were given back"]
    answer: Annotated[Content | None, "the outputs, as a salted hash, where the application wants that"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(_RequestEnded):
    """A request does not fit the model, and nothing was computed; or its outputs broke the contract."""

    kind: ClassVar[str] = "request.refused"

    code: Annotated[str, "the code of the refusal"]
    field: Annotated[str | None, "the field, input or output that does not fit"] = None
    rule: Annotated[str | None, "what a function's contract says of it: shape, datatype, range, ..."] = None
    limit: Annotated[str | None, "what that rule allows"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(_RequestEnded):
    """A request was not answered, or not to its end, for no fault of its own."""

    kind: ClassVar[str] = "request.failed"

    code: Annotated[str, "the code of the fault"]
    completion_tokens: Annotated[int, "tokens that came before; 0 of a function"]
    first_milliseconds: Annotated[int | None, "from the request to the first token, where one came"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancelled(_RequestEnded):
    """Whoever asked did not want the rest of the answer."""

    kind: ClassVar[str] = "request.cancelled"

    completion_tokens: Annotated[int, "tokens that came before"]
    first_milliseconds: Annotated[int | None, "from the request to the first token, where one came"] = None
