"""From a body of /v1/chat/completions to what is asked of the engine. Pure."""

from __future__ import annotations

from typing import Any, Final

from ostiary.core.json_text import JsonValue
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TYPE, CONTRACT_UNKNOWN_FIELD, ContractRefused
from ostiary.gateway.openai.chat_forms import ChatBody, MessageForm, ResponseFormat, ToolChoiceForm, ToolForm
from ostiary.gateway.openai.sampling_forms import SAME_TO_ENGINE

_SEEDS: Final = 1 << 64
_SAME: Final = (*SAME_TO_ENGINE, "parallel_tool_calls")


def parse_chat(body: ChatBody, tenant: str | None) -> ParsedRequest:
    """Raises ContractRefused where fields contradict one another."""
    fields: dict[str, object] = {name: getattr(body, name) for name in _SAME}
    fields |= {
        "messages": [_write_message(message, f"messages[{place}]") for place, message in enumerate(body.messages)],
        "tools": None if not body.tools else [write_tool(tool) for tool in body.tools],
        "tool_choice": _write_choice(body),
        "response_format": write_format(body.response_format),
        "template_options": body.chat_template_kwargs,
        "max_tokens": _choose_max_tokens(body),
        "logprobs": _count_logprobs(body),
        "seed": write_seed(body.seed),
        "tenant": tenant,
    }
    if body.stream_options is not None and not body.stream:
        raise contradict("stream_options", "is only for streams")
    return ParsedRequest(Operation.CHAT, {name: value for name, value in fields.items() if value is not None})


def contradict(field: str, detail: str) -> ContractRefused:
    return ContractRefused(CONTRACT_RANGE, f"{field} {detail}", field=field)


def write_seed(seed: int | None) -> int | None:
    """Theirs has a sign, ours has none."""
    return None if seed is None else seed % _SEEDS


def write_tool(tool: ToolForm) -> JsonValue:
    """As templates know it."""
    return {"type": "function", "function": describe_function(tool.function)}


def describe_function(function: Any) -> dict[str, JsonValue]:
    """What is absent stays absent: templates look."""
    told: dict[str, JsonValue] = {"name": function.name}
    if function.description is not None:
        told["description"] = function.description
    if function.parameters is not None:
        told["parameters"] = function.parameters
    if function.strict:
        told["strict"] = True
    return told


def write_format(form: ResponseFormat | None) -> dict[str, object] | None:
    if form is None:
        return None
    if (form.type == "json_schema") != (form.json_schema is not None):
        field = "response_format.json_schema"
        raise ContractRefused(CONTRACT_TYPE, f"{field} goes with type json_schema, and with no other", field=field)
    if form.json_schema is not None:
        return {"type": "json_schema", "schema": form.json_schema.schema}
    return {"type": "json_object"} if form.type == "json_object" else None


_OF_ONE_ROLE: Final = {"tool_calls": "assistant", "reasoning_content": "assistant", "tool_call_id": "tool"}
"""Most templates look for them nowhere else: there they would be left out without a word."""


def _write_message(message: MessageForm, where: str) -> dict[str, object]:
    """`developer` is the newer word for what every template knows as `system`."""
    for name, role in _OF_ONE_ROLE.items():
        if getattr(message, name) and message.role != role:
            field = f"{where}.{name}"
            raise ContractRefused(CONTRACT_UNKNOWN_FIELD, f"{field} is only for the role {role}", field=field)
    made: dict[str, object] = {"role": "system" if message.role == "developer" else message.role}
    if isinstance(message.content, list):
        made["content"] = "".join(part.text for part in message.content)
    elif message.content is not None:
        made["content"] = message.content
    if message.reasoning is not None and message.reasoning_content not in (None, message.reasoning):
        raise contradict("messages", "have reasoning and reasoning_content, which are two names of one thing")
    told = {
        "name": message.name,
        "tool_call_id": message.tool_call_id,
        "reasoning_content": message.reasoning if message.reasoning_content is None else message.reasoning_content,
    }
    made |= {name: value for name, value in told.items() if value is not None}
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in message.tool_calls
        ]
    return made


def _write_choice(body: ChatBody) -> object:
    choice = body.tool_choice
    if isinstance(choice, ToolChoiceForm):
        return {"name": choice.function.name}
    return choice


def _choose_max_tokens(body: ChatBody) -> int | None:
    told = {number for number in (body.max_tokens, body.max_completion_tokens) if number is not None}
    if len(told) > 1:
        raise contradict("max_completion_tokens", "is the newer name of max_tokens, and says another number")
    return told.pop() if told else None


def _count_logprobs(body: ChatBody) -> int | None:
    if not body.logprobs:
        if body.top_logprobs is not None:
            raise contradict("top_logprobs", "is only told where logprobs is true")
        return None
    return body.top_logprobs or 0
