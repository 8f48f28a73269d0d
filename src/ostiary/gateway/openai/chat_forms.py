"""/v1/chat/completions: the forms of what it takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ostiary.core.limits import MAX_CALL_MESSAGES, MAX_TOOLS
from ostiary.gateway.openai.sampling_forms import SamplingBody
from ostiary.gateway.openai.shared_forms import Function, Label, Labels, Logprobs, Positive, UsageForm


class TextPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of a message. There are no others: nothing is fetched, and models here read text."""

    type: Literal["text"]
    text: str


class FunctionCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that was made: arguments are a JSON object, as text."""

    name: str
    arguments: str


class ToolCallForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In an answer."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class SentFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As clients send a call back."""

    name: str
    arguments: str
    parsed_arguments: Any = None
    """What OpenAI's client made of the arguments, which stand there as they were answered: used for nothing."""


class SentCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call in a message that a client sends back, with what it noted when it came."""

    id: str
    function: SentFunction
    type: Literal["function"] = "function"
    index: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Its place in the stream that it came by: used for nothing."""


class MessageForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a conversation. What an assistant's message may bring along with null is what clients send back."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: Annotated[list[SentCall], msgspec.Meta(max_length=int(MAX_TOOLS))] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    """What an assistant thought, as it was answered. `reasoning_content` is its other name."""
    reasoning_content: str | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None
    parsed: Any = None
    """What OpenAI's client made of the content, which stands there as it was answered: used for nothing."""
    provider_specific_fields: dict[str, None] | None = None
    """LiteLLM notes there which fields of an answer were null."""


class ToolForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool that may be called."""

    type: Literal["function"]
    function: Function


class FunctionName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class ToolChoiceForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This one."""

    type: Literal["function"]
    function: FunctionName


class JsonSchemaForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an answer is held to, strict or not: docs/answer-forms.md lists the keywords of its schema."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form of an answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaForm | None = None


class ChatBody(SamplingBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked. Fields that may only be null are known to clients of OpenAI and not supported here."""

    messages: Annotated[list[MessageForm], msgspec.Meta(min_length=1, max_length=int(MAX_CALL_MESSAGES))]
    max_completion_tokens: Positive | None = None
    logprobs: bool | None = None
    top_logprobs: Logprobs | None = None
    tools: Annotated[list[ToolForm], msgspec.Meta(max_length=int(MAX_TOOLS))] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoiceForm | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    """Variables of the model's own template, such as `enable_thinking`."""
    modalities: Annotated[list[Literal["text"]], msgspec.Meta(max_length=1)] | None = None
    safety_identifier: Label | None = None
    metadata: Labels | None = None
    prompt_cache_key: Label | None = None
    """A wish for a cache. Earlier prompts of the same key are known again without it: used for nothing."""
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    audio: None = None
    function_call: None = None
    functions: None = None
    prediction: None = None
    prompt_cache_retention: None = None
    reasoning_effort: None = None
    verbosity: None = None
    web_search_options: None = None


class LikelyToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    logprob: float
    bytes: list[int]


class TokenForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[LikelyToken]


class LogprobsForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content: list[TokenForm]
    refusal: None = None


class AnswerMessage(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    content: str | None
    refusal: None
    role: Literal["assistant"]
    tool_calls: list[ToolCallForm] = []
    reasoning: str | None = None
    """What the model thought before it answered, as MLX-LM's server names it."""


Finish = Literal["stop", "length", "tool_calls"]


class ChoiceForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    message: AnswerMessage
    logprobs: LogprobsForm | None
    finish_reason: Finish


class ChatCompletion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    created: int
    model: str
    choices: list[ChoiceForm]
    usage: UsageForm
    system_fingerprint: str
    """Of the bytes of the model, as `ostiary verify` shows them."""
    object: Literal["chat.completion"] = "chat.completion"


class DeltaFunction(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    arguments: str
    """The next of them."""
    name: str | None = None


class DeltaCall(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The first of a call has its id and its name."""

    index: int
    function: DeltaFunction
    id: str | None = None
    type: Literal["function"] | None = None


class Delta(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[DeltaCall] | None = None
    reasoning: str | None = None


class ChunkChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    delta: Delta
    logprobs: LogprobsForm | None = None
    finish_reason: Finish | None = None


class ChatChunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: UsageForm | None = None
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
