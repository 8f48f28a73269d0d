"""What stands within the markers of a call, read in the manner of each style. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from ostiary.answer.read_pythonic import PythonicUnfit, read_pythonic
from ostiary.core.json_text import JsonValue, parse_json
from ostiary.core.limits import MAX_SCHEMA_PROPERTIES, MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS
from ostiary.core.requests import ToolCall
from ostiary.core.tool_styles import MARKERS, ToolStyle
from ostiary.errors import IntakeRefused

Tools = Mapping[str, Mapping[str, JsonValue]]
"""The name of each tool that was offered, and the schemas of its arguments by name."""
_BYTES: Final = 4 * MAX_TOOL_CALL_CHARACTERS


def read_tool_calls(style: ToolStyle, body: str, tools: Tools) -> list[ToolCall] | None:
    """At least one. None: nothing of it is a call."""
    if len(body) > MAX_TOOL_CALL_CHARACTERS:
        return None
    try:
        calls = _READERS[style](body, tools)
    except _NotACall:
        return None
    return calls if calls and len(calls) <= MAX_TOOL_CALLS else None


class _NotACall(Exception):
    pass


def _parse(text: str) -> JsonValue:
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"), max_bytes=_BYTES)
    except IntakeRefused as error:
        raise _NotACall from error


def _make(name: object, arguments: JsonValue, tools: Tools) -> ToolCall:
    if isinstance(arguments, str):  # some write the object as text
        arguments = _parse(arguments)
    if not isinstance(name, str) or name not in tools or not isinstance(arguments, dict):
        raise _NotACall
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False, separators=(",", ":")))


def _make_from(value: JsonValue, tools: Tools) -> ToolCall:
    """From an object with a name and arguments, by either of their names."""
    if not isinstance(value, dict):
        raise _NotACall
    found = [value[word] for word in ("arguments", "parameters") if word in value]
    if len(found) > 1:
        raise _NotACall
    return _make(value.get("name"), found[0] if found else {}, tools)


def _read_json(body: str, tools: Tools) -> list[ToolCall]:
    """One object, or a list of them."""
    value = _parse(body.strip())
    return [_make_from(item, tools) for item in (value if isinstance(value, list) else [value])]


def _read_qwen_coder(body: str, tools: Tools) -> list[ToolCall]:
    text = body.strip()
    if text.startswith("{"):
        return _read_json(text, tools)
    name, rest = _cut(text, "<function=", ">")
    arguments: dict[str, JsonValue] = {}
    while rest.startswith("<parameter="):
        key, rest = _cut(rest, "<parameter=", ">", keeps_space=True)
        place = rest.find("</parameter>")
        if place < 0:
            raise _NotACall
        value, rest = rest[:place], rest[place + len("</parameter>") :].lstrip()
        _put(arguments, key, value.removeprefix("\n").removesuffix("\n"), tools.get(name, {}))
    if rest.strip() != "</function>":
        raise _NotACall
    return [_make(name, {**arguments}, tools)]


def _read_glm(body: str, tools: Tools) -> list[ToolCall]:
    text = body.strip()
    if text.startswith("{"):
        return _read_json(text, tools)
    place = text.find("<arg_key>")
    name, rest = (text, "") if place < 0 else (text[:place].strip(), text[place:])
    arguments: dict[str, JsonValue] = {}
    while rest:
        key, rest = _cut(rest, "<arg_key>", "</arg_key>")
        value, rest = _cut(rest, "<arg_value>", "</arg_value>")
        _put(arguments, key, value, tools.get(name, {}))
    return [_make(name, {**arguments}, tools)]


def _read_mistral(body: str, tools: Tools) -> list[ToolCall]:
    text = body.strip()
    if text.startswith("["):
        return _read_json(text, tools)
    calls: list[ToolCall] = []
    while text:
        place = text.find("[ARGS]")
        if place < 0 or len(calls) == MAX_TOOL_CALLS:
            raise _NotACall
        name = text[:place].removeprefix(MARKERS[ToolStyle.MISTRAL].begin).partition("[CALL_ID]")[0].strip()
        value, text = _parse_first(text[place + len("[ARGS]") :].lstrip())
        calls.append(_make(name, value, tools))
        text = text.strip()
    return calls


def _read_kimi(body: str, tools: Tools) -> list[ToolCall]:
    begin, inside, end = MARKERS[ToolStyle.KIMI].others
    calls: list[ToolCall] = []
    rest = body.strip()
    while rest:
        if len(calls) == MAX_TOOL_CALLS:
            raise _NotACall
        told, rest = _cut(rest, begin, end)
        where, found, arguments = told.partition(inside)
        if not found:
            raise _NotACall
        name = where.strip().removeprefix("functions.").rpartition(":")[0]
        calls.append(_make(name, _parse(arguments.strip()), tools))
    return calls


def _read_pythonic(body: str, tools: Tools) -> list[ToolCall]:
    text = body.strip()
    if text.startswith("[") and text[1:].lstrip().startswith("{"):
        return _read_json(text, tools)
    try:
        return [_make(name, {**arguments}, tools) for name, arguments in read_pythonic(text)]
    except PythonicUnfit as error:
        raise _NotACall from error


def _parse_first(text: str) -> tuple[JsonValue, str]:
    """The object at the beginning, and what follows it."""
    if not text.startswith("{"):
        raise _NotACall
    depth, is_quoted, is_escaped = 0, False, False
    for place, character in enumerate(text):
        if is_quoted:
            is_quoted = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            is_quoted = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if not depth:
                return _parse(text[: place + 1]), text[place + 1 :]
    raise _NotACall


def _cut(text: str, begin: str, end: str, *, keeps_space: bool = False) -> tuple[str, str]:
    """What stands between the two at the beginning of a text, and what follows."""
    place = text.find(end)
    if not text.startswith(begin) or place < 0:
        raise _NotACall
    rest = text[place + len(end) :]
    return text[len(begin) : place].strip(), rest if keeps_space else rest.lstrip()


def _put(arguments: dict[str, JsonValue], key: str, value: str, schemas: Mapping[str, JsonValue]) -> None:
    """A text where the schema says so, or where it is nothing else."""
    schema = schemas.get(key)
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not key or key in arguments or len(arguments) == MAX_SCHEMA_PROPERTIES:
        raise _NotACall
    arguments[key] = value
    if kind == "string":
        return
    try:
        arguments[key] = _parse(value.strip())
    except _NotACall:
        return


_READERS: Final[Mapping[ToolStyle, Callable[[str, Tools], list[ToolCall]]]] = {
    ToolStyle.HERMES: _read_json,
    ToolStyle.QWEN_CODER: _read_qwen_coder,
    ToolStyle.GLM: _read_glm,
    ToolStyle.MISTRAL: _read_mistral,
    ToolStyle.KIMI: _read_kimi,
    ToolStyle.PYTHONIC: _read_pythonic,
    ToolStyle.JSON: _read_json,
}
