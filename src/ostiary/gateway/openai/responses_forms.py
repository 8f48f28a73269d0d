"""/v1/responses: the forms of what it takes and gives, as far as they make sense where nothing is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ostiary.core.limits import MAX_CALL_MESSAGES, MAX_TOOLS
from ostiary.gateway.openai.shared_forms import Label, Labels, Name, Positive, Probability, Temperature

Status = Literal["completed", "in_progress", "incomplete"]
_None = Annotated[list[None], msgspec.Meta(max_length=0)]


class InputText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="input_text"):
    """What somebody said. There are no images or files: nothing is fetched, and models here read text."""

    text: str


class OutputText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="output_text"):
    """What a model said."""

    text: str
    annotations: _None = []
    logprobs: _None | None = None


class SentText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="output_text"):
    """What a model said, as clients send it back."""

    text: str
    annotations: _None = []
    logprobs: _None | None = None
    parsed: Any = None
    """What OpenAI's client made of the text, which stands there as it was answered: used for nothing."""


class ReasoningText(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="reasoning_text"
):
    """What a model thought."""

    text: str


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message, where it has no type; a call that was made; what came of one; or what the assistant thought, as it
    was answered. Each has fields of its own; those that may only be null are what clients send back.
    """

    type: Literal["message", "function_call", "function_call_output", "reasoning"] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[InputText | SentText | ReasoningText] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    """A JSON object, as text."""
    output: str | list[InputText] | None = None
    summary: _None | None = None
    encrypted_content: None = None
    id: str | None = None
    status: Status | None = None
    parsed_arguments: Any = None
    """What OpenAI's client made of the arguments: used for nothing."""
    caller: None = None
    namespace: None = None
    phase: None = None


class FunctionTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool that may be called. Those of OpenAI's own are not here."""

    type: Literal["function"]
    name: str
    parameters: dict[str, Any] | None = None
    """A JSON Schema of an object: docs/answer-forms.md lists its keywords."""
    strict: bool | None = None
    """Whether calls are held to the schema also where the model chooses whether to call."""
    description: str | None = None


class NamedTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This one."""

    type: Literal["function"]
    name: str


class TextForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    pass


class JsonObjectForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="json_object"):
    pass


class SchemaForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="json_schema"):
    """What an answer is held to, strict or not."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: TextForm | JsonObjectForm | SchemaForm | None = None
    verbosity: None = None


class ResponseStreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_obfuscation: Literal[False] | None = None


ToolChoice = Literal["none", "auto", "required"] | NamedTool
Items = Annotated[list[Item], msgspec.Meta(min_length=1, max_length=int(MAX_CALL_MESSAGES))]


class ResponsesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked. Fields that may only be null are known to clients of OpenAI and not supported here: nothing of
    an answer is kept, so that there is none to go on from.
    """

    input: str | Items
    model: Name | None = None
    """May be left out where one model is served."""
    instructions: str | None = None
    max_output_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    tools: Annotated[list[FunctionTool], msgspec.Meta(max_length=int(MAX_TOOLS))] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    metadata: Labels | None = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    """A wish for a cache. Earlier prompts of the same key are known again without it: used for nothing."""
    include: _None | None = None
    store: Literal[False] | None = None
    background: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    top_logprobs: Literal[0] | None = None
    context_management: None = None
    conversation: None = None
    max_tool_calls: None = None
    previous_response_id: None = None
    prompt: None = None
    prompt_cache_retention: None = None
    reasoning: None = None


class SaidMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="message"):
    id: str
    status: Status
    content: list[OutputText]
    role: Literal["assistant"] = "assistant"


class SaidReasoning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="reasoning"):
    id: str
    summary: _None
    content: list[ReasoningText]
    status: Status


class SaidCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="function_call"):
    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class InputDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reasoning_tokens: int = 0


class ResponseUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class Incomplete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Literal["max_output_tokens"] = "max_output_tokens"


class Response(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    created_at: int
    status: Status
    model: str
    output: list[SaidMessage | SaidReasoning | SaidCall]
    instructions: str | None
    max_output_tokens: int | None
    parallel_tool_calls: bool
    temperature: float | None
    text: TextOptions
    tool_choice: ToolChoice
    tools: list[FunctionTool]
    top_p: float | None
    metadata: dict[str, str]
    usage: ResponseUsage | None
    incomplete_details: Incomplete | None
    object: Literal["response"] = "response"
    error: None = None
    previous_response_id: None = None
    reasoning: None = None
    store: bool = False
    background: bool = False
    truncation: Literal["disabled"] = "disabled"
    user: str | None = None
