"""From a body of /v1/messages to what is asked of the engine. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TYPE, ContractRefused
from ostiary.gateway.anthropic.forms import (
    CountBody,
    MessageParam,
    MessagesBody,
    TextBlock,
    ThinkingBlock,
    ToolParam,
    ToolResultBlock,
    ToolUseBlock,
)

_Placed: TypeAlias = tuple[str, dict[str, object]]
"""Where it stands in the body, and a message as the model reads it."""
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


def parse_messages(body: MessagesBody, tenant: str | None) -> ParsedRequest:
    """Raises ContractRefused where fields contradict one another."""
    choice = body.tool_choice
    fields = {
        **write_conversation(body),
        "max_tokens": body.max_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": body.top_k,
        "stop": body.stop_sequences or None,
        "parallel_tool_calls": False if choice is not None and choice.disable_parallel_tool_use else None,
        "tenant": tenant,
    }
    return ParsedRequest(Operation.CHAT, {name: value for name, value in fields.items() if value is not None})


def write_conversation(body: MessagesBody | CountBody) -> dict[str, object]:
    """What the model reads: messages and tools. A message of the assistant at the end is one to go on with."""
    messages = [message for _, message in _write_all(body)]
    last = messages[-1]
    continues = last["role"] == "assistant" and "tool_calls" not in last
    return {
        "messages": messages,
        "tools": [_write_tool(tool) for tool in body.tools] if body.tools else None,
        "tool_choice": _write_choice(body),
        "continue_final_message": True if continues else None,
    }


def list_places(body: MessagesBody | CountBody) -> list[str]:
    """Of each message that the model reads: where it stands in the body."""
    return [where for where, _ in _write_all(body)]


def _write_all(body: MessagesBody | CountBody) -> Iterator[_Placed]:
    if body.system is not None:
        yield "system", {"role": "system", "content": _join(body.system)}
    for place, message in enumerate(body.messages):
        where = f"messages[{place}]"
        if message.role == "user":
            yield from _write_user(message, where)
        else:
            yield f"{where}.content", _write_assistant(message, where)


def _join(content: str | Sequence[TextBlock]) -> str:
    return content if isinstance(content, str) else "".join(block.text for block in content)


def _write_user(message: MessageParam, where: str) -> Iterator[_Placed]:
    """What tools gave is a message each, as models know it; then what the user says. No block changes its place."""
    if isinstance(message.content, str):
        yield f"{where}.content", {"role": "user", "content": message.content}
        return
    texts: list[TextBlock] = []
    for place, block in enumerate(message.content):
        if isinstance(block, ToolResultBlock):
            here = f"{where}.content[{place}]"
            if texts:
                raise _misplaced(here, "stands behind a text: what tools gave comes first")
            result = _join(block.content or "")
            content = f"Error: {result}" if block.is_error else result
            yield here, {"role": "tool", "tool_call_id": block.tool_use_id, "content": content}
        elif isinstance(block, TextBlock):
            texts.append(block)
        else:
            raise _misplaced(f"{where}.content[{place}]", "is a thought or a use of a tool: an assistant has those")
    if texts or not message.content:
        yield f"{where}.content", {"role": "user", "content": _join(texts)}


def _misplaced(where: str, detail: str) -> ContractRefused:
    return ContractRefused(CONTRACT_RANGE, f"{where} {detail}", field=where)


def _write_assistant(message: MessageParam, where: str) -> dict[str, object]:
    if isinstance(message.content, str):
        return {"role": "assistant", "content": message.content}
    texts: list[TextBlock] = []
    thoughts: list[str] = []
    calls: list[dict[str, object]] = []
    for place, block in enumerate(message.content):
        if isinstance(block, TextBlock):
            if calls:
                raise _misplaced(f"{where}.content[{place}]", "stands behind a use of a tool: texts come first")
            texts.append(block)
        elif isinstance(block, ThinkingBlock):
            thoughts.append(block.thinking)
        elif isinstance(block, ToolUseBlock):
            arguments = json.dumps(block.input, ensure_ascii=False)
            calls.append(
                {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}
            )
        else:
            raise _misplaced(f"{where}.content[{place}]", "is what a tool gave, which only a user brings")
    made: dict[str, object] = {"role": "assistant"}
    if texts or not calls:
        made["content"] = _join(texts)
    if thoughts:
        made["reasoning_content"] = "\n\n".join(thoughts)
    if calls:
        made["tool_calls"] = calls
    return made


def _write_tool(tool: ToolParam) -> dict[str, object]:
    function: dict[str, object] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.input_schema
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _write_choice(body: MessagesBody | CountBody) -> object:
    choice = body.tool_choice
    if choice is None:
        return None
    if (choice.type == "tool") != (choice.name is not None):
        raise ContractRefused(
            CONTRACT_TYPE, "tool_choice.name goes with type tool, and with no other", field="tool_choice.name"
        )
    return {"name": choice.name} if choice.type == "tool" else _CHOICES[choice.type]
