"""From a body of /v1/responses to what is asked of the engine. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import CONTRACT_TYPE, ContractRefused
from ostiary.gateway.openai.read_chat import contradict, describe_function
from ostiary.gateway.openai.responses_forms import (
    InputText,
    Item,
    Items,
    JsonObjectForm,
    NamedTool,
    ReasoningText,
    ResponsesBody,
    SchemaForm,
    SentText,
)


def parse_responses(body: ResponsesBody, tenant: str | None) -> ParsedRequest:
    """Raises ContractRefused where fields contradict one another."""
    if body.stream_options is not None and not body.stream:
        raise contradict("stream_options", "is only for streams")
    choice = body.tool_choice
    fields: dict[str, object] = {
        "messages": [message for _, message in _write_all(body)],
        "max_tokens": body.max_output_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "tools": [{"type": "function", "function": describe_function(tool)} for tool in body.tools or ()] or None,
        "tool_choice": {"name": choice.name} if isinstance(choice, NamedTool) else choice,
        "parallel_tool_calls": body.parallel_tool_calls,
        "response_format": _write_format(body),
        "tenant": tenant,
    }
    return ParsedRequest(Operation.CHAT, {name: value for name, value in fields.items() if value is not None})


def list_places(body: ResponsesBody) -> list[str]:
    """Of each message that the model reads: where it stands in the body, or the first item of it."""
    return [where for where, _ in _write_all(body)]


def _write_all(body: ResponsesBody) -> Iterator[tuple[str, dict[str, object]]]:
    if body.instructions is not None:
        yield "instructions", {"role": "system", "content": body.instructions}
    if isinstance(body.input, str):
        yield "input", {"role": "user", "content": body.input}
    else:
        yield from _write_items(body.input)


_FIELDS: Final = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "reasoning": ("content",),
}
"""Of each kind of item. All must be there, and no other's may."""


def _check_item(item: Item, where: str) -> None:
    for name in ("role", "content", "call_id", "name", "arguments", "output"):
        if (getattr(item, name) is not None) != (name in _FIELDS[item.type]):
            detail = "is missing" if name in _FIELDS[item.type] else f"is no field of a {item.type}"
            raise ContractRefused(CONTRACT_TYPE, f"{where}.{name} {detail}", field=f"{where}.{name}")
    thinks = item.type == "reasoning"
    parts = [] if isinstance(item.content, str) else item.content or []
    if (thinks and isinstance(item.content, str)) or any(
        isinstance(part, ReasoningText) != thinks for part in parts
    ):
        detail = "takes parts of type reasoning_text where the item is of type reasoning, and nowhere else"
        raise ContractRefused(CONTRACT_TYPE, f"{where}.content {detail}", field=f"{where}.content")


class _Assistant:
    """What it thought, then said, and the calls behind that: one message, as far as items belong to it."""

    def __init__(self, where: str) -> None:
        """`where`: the first of its items."""
        self.where: Final = where
        self._thoughts: Final[list[str]] = []
        self._content: str | None = None
        self._calls: Final[list[JsonValue]] = []

    def take(self, item: Item) -> bool:
        """False: it belongs to the next message."""
        if item.type == "function_call":
            self._calls.append(_write_call(item))
            return True
        if self._calls or self._content is not None:
            return False
        if item.type == "reasoning":
            self._thoughts.append(_join(item.content))
        else:
            self._content = _join(item.content)
        return True

    def write(self) -> dict[str, object]:
        made: dict[str, object] = {"role": "assistant"}
        if self._content is not None or not self._calls:
            made["content"] = self._content or ""
        if self._thoughts:
            made["reasoning_content"] = "\n\n".join(self._thoughts)
        return {**made, "tool_calls": self._calls} if self._calls else made


def _write_items(items: Items) -> Iterator[tuple[str, dict[str, object]]]:
    begun: _Assistant | None = None
    for place, item in enumerate(items):
        where = f"input[{place}]"
        _check_item(item, where)
        is_assistant = item.type in ("function_call", "reasoning") or item.role == "assistant"
        if begun is not None:
            if is_assistant and begun.take(item):
                continue
            yield begun.where, begun.write()
        begun = None
        if is_assistant:
            begun = _Assistant(where)
            begun.take(item)
        elif item.type == "function_call_output":
            yield where, {"role": "tool", "tool_call_id": item.call_id, "content": _join(item.output)}
        else:
            role = "system" if item.role == "developer" else item.role
            yield where, {"role": role, "content": _join(item.content)}
    if begun is not None:
        yield begun.where, begun.write()


def _write_call(item: Item) -> JsonValue:
    function: JsonValue = {"name": item.name, "arguments": item.arguments}
    return {"id": item.call_id, "type": "function", "function": function}


def _join(content: str | Sequence[InputText | SentText | ReasoningText] | None) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content or ())


def _write_format(body: ResponsesBody) -> dict[str, object] | None:
    form = None if body.text is None else body.text.format
    if isinstance(form, SchemaForm):
        return {"type": "json_schema", "schema": form.schema}
    return {"type": "json_object"} if isinstance(form, JsonObjectForm) else None
