"""From what a model wrote to a call of a tool that was offered, or none. Pure."""

from __future__ import annotations

import json
from typing import Final

from ostiary.answer.said import Tools
from ostiary.core.json_text import JsonValue, parse_json
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS
from ostiary.core.requests import ToolCall
from ostiary.errors import IntakeRefused

_BYTES: Final = 4 * MAX_TOOL_CALL_CHARACTERS


class NotACall(Exception):
    """And so it is text."""


def parse_call_json(text: str) -> JsonValue:
    """Raises NotACall."""
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"), max_bytes=_BYTES)
    except IntakeRefused as error:
        raise NotACall from error


def make_call(name: object, arguments: JsonValue, tools: Tools) -> ToolCall:
    """Raises NotACall."""
    if isinstance(arguments, str):  # some write the object as text
        arguments = parse_call_json(arguments)
    if not isinstance(name, str) or name not in tools or not isinstance(arguments, dict):
        raise NotACall
    return ToolCall(name, write_json(arguments))


def make_call_from(value: JsonValue, tools: Tools) -> ToolCall:
    """From an object with a name and arguments, by either of their names. Raises NotACall."""
    if not isinstance(value, dict):
        raise NotACall
    found = [value[word] for word in ("arguments", "parameters") if word in value]
    if len(found) > 1:
        raise NotACall
    return make_call(value.get("name"), found[0] if found else {}, tools)


def write_json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
