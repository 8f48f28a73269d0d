"""/v1/messages: the forms of what it takes and gives. Closed: what is not in them is refused by its name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ostiary.core.limits import MAX_CALL_MESSAGES, MAX_STOP_TEXTS, MAX_TOOLS


class Ephemeral(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wish for a cache. Earlier prompts of the same key are known again without it: taken, used for nothing."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class TextBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    text: str
    cache_control: Ephemeral | None = None
    citations: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None


class ToolUseBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="tool_use"):
    """A call that was made."""

    id: str
    name: str
    input: dict[str, Any]
    cache_control: Ephemeral | None = None
    caller: None = None
    """As clients send it back."""
    toolset_name: None = None


class ToolResultBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="tool_result"):
    """What came of it."""

    tool_use_id: str
    content: str | list[TextBlock] | None = None
    is_error: bool | None = None
    cache_control: Ephemeral | None = None


class ThinkingBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="thinking"):
    """What an assistant thought, as it was answered. Nobody vouches for that either: its signature is not read."""

    thinking: str
    signature: str = ""


Block = TextBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock


class MessageParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["user", "assistant"]
    content: str | list[Block]


class ToolParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool that may be called."""

    name: str
    input_schema: dict[str, Any]
    """A JSON Schema of an object: docs/answer-forms.md lists its keywords."""
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: Ephemeral | None = None
    eager_input_streaming: Literal[True] | None = None
    """Calls come as the model writes them in any case."""
    defer_loading: Literal[False] | None = None


class ToolChoiceParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names whoever asks, in the words of an application: taken, and used for nothing."""

    user_id: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class Thinking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether thoughts are told. Without it they are not: clients that do not ask for them read the first block."""

    type: Literal["adaptive", "disabled"]
    display: Literal["summarized"] | None = None
    """As they are: nobody sums them up here."""


_Messages = Annotated[list[MessageParam], msgspec.Meta(min_length=1, max_length=int(MAX_CALL_MESSAGES))]
_Tools = Annotated[list[ToolParam], msgspec.Meta(max_length=int(MAX_TOOLS))]


class MessagesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked. Fields that may only be null are known to clients of Anthropic and not supported here."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    messages: _Messages
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    system: str | list[TextBlock] | None = None
    stop_sequences: Annotated[list[str], msgspec.Meta(max_length=int(MAX_STOP_TEXTS))] | None = None
    stream: bool | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    tools: _Tools | None = None
    tool_choice: ToolChoiceParam | None = None
    metadata: Metadata | None = None
    thinking: Thinking | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: Ephemeral | None = None
    container: None = None
    context_management: None = None
    mcp_servers: None = None
    output_config: None = None


class CountBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many tokens would this be?"""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    messages: _Messages
    system: str | list[TextBlock] | None = None
    tools: _Tools | None = None
    tool_choice: ToolChoiceParam | None = None
    thinking: Thinking | None = None
    cache_control: Ephemeral | None = None


class TokenCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input_tokens: int


class AnswerText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    text: str
    citations: None = None


class AnswerThinking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str = ""
    """Of nobody."""


class AnswerToolUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class MessageUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens that were known from an earlier prompt are told apart, as this interface has it."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


class MessageForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    model: str
    content: list[AnswerText | AnswerThinking | AnswerToolUse]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage
    role: Literal["assistant"] = "assistant"
    type: Literal["message"] = "message"


class MessageStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="message_start"):
    message: MessageForm


class BlockStart(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="content_block_start"
):
    index: int
    content_block: AnswerText | AnswerThinking | AnswerToolUse


class TextDelta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text_delta"):
    text: str


class ThinkingDelta(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="thinking_delta"
):
    thinking: str


class InputDelta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="input_json_delta"):
    partial_json: str


class BlockDelta(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="content_block_delta"
):
    index: int
    delta: TextDelta | ThinkingDelta | InputDelta


class BlockStop(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="content_block_stop"
):
    index: int


class MessageEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="message_delta"):
    delta: MessageEnd
    usage: MessageUsage


class MessageStop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="message_stop"):
    """The last one."""


MessageEvent = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop
