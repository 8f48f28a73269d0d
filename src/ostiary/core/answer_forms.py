"""Which form an answer is held to, and whether tools may, must or must not be called: values of both sides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from ostiary.core.json_text import JsonValue, describe_type
from ostiary.core.limits import MAX_TOOL_NAME_CHARACTERS, MAX_TOOLS
from ostiary.core.schema_rules import Schema, SchemaFault, SchemaUnfit, parse_schema
from ostiary.core.values import dataclass

TOOL_NAME: Final = re.compile(rf"[A-Za-z0-9_.\-]{{1,{int(MAX_TOOL_NAME_CHARACTERS)}}}")
ANY_OBJECT: Final[Schema] = {"type": "object"}


class ToolUse(StrEnum):
    """What an answer may do with the tools that it is told of."""

    NONE = "none"
    """It is not told of them."""
    AUTO = "auto"
    REQUIRED = "required"
    """It is a call, or several, and nothing else."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the application offers."""

    name: str
    parameters: Schema
    """What its arguments are held to, where they are held to something."""
    is_strict: bool
    """Whether that holds also where the model chooses whether to call."""


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """How tools are used in one answer."""

    use: ToolUse = ToolUse.AUTO
    tools: tuple[Tool, ...] = ()
    """Those that may be called, where calls are held to a form. Empty: nothing is held."""
    is_parallel: bool = True
    """Whether several calls may stand in one answer."""


def parse_answer_form(value: JsonValue) -> Schema | None:
    """`response_format`, as the engine takes it: the schema that an answer is held to. Raises SchemaUnfit."""
    where = "response_format"
    if not isinstance(value, dict):
        raise SchemaUnfit(SchemaFault.TYPE, where, f"is {describe_type(value)}, not an object")
    kind = value.get("type")
    known = {"type", "schema"} if kind == "json_schema" else {"type"}
    for name in value:
        if name not in known:
            raise SchemaUnfit(SchemaFault.UNKNOWN, f"{where}.{name}", "is no field of such a form")
    match kind:
        case "text":
            return None
        case "json_object":
            return ANY_OBJECT
        case "json_schema":
            return parse_schema(value.get("schema"), f"{where}.schema")
    raise SchemaUnfit(SchemaFault.RANGE, f"{where}.type", "is not text, json_object or json_schema")


def parse_tool_plan(
    tools: Sequence[JsonValue] | None, choice: JsonValue, *, is_parallel: bool = True, is_held: bool = False
) -> ToolPlan:
    """`tool_choice`: none, auto, required, or an object with the name of a tool. Raises SchemaUnfit.

    `is_held`: an answer that is no call is held to a form, so that calls have to be as well.
    """
    named: str | None = None
    use = ToolUse.AUTO
    if isinstance(choice, dict):
        wanted = choice.get("name")
        if set(choice) != {"name"} or not isinstance(wanted, str):
            raise SchemaUnfit(
                SchemaFault.TYPE, "tool_choice", "is an object without a name, or with more than that"
            )
        named, use = wanted, ToolUse.REQUIRED
    elif choice is not None:
        found = next((use for use in ToolUse if use == choice), None)
        if found is None:
            raise SchemaUnfit(SchemaFault.RANGE, "tool_choice", f"is not one of {', '.join(ToolUse)}, or a name")
        use = found
    if not tools:
        if use is ToolUse.REQUIRED:
            raise SchemaUnfit(SchemaFault.RANGE, "tool_choice", "asks for a tool where there are none")
        return ToolPlan(use, (), is_parallel)
    if len(tools) > MAX_TOOLS:
        raise SchemaUnfit(SchemaFault.TOO_LONG, "tools", f"has more than {int(MAX_TOOLS)} entries")
    if use is ToolUse.NONE or (use is ToolUse.AUTO and not is_held and not any(map(_is_strict, tools))):
        return ToolPlan(use, (), is_parallel)
    read = [_read_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools)]
    if len({tool.name for tool in read}) < len(read):
        raise SchemaUnfit(SchemaFault.RANGE, "tools", "has a name twice")
    if named is not None:
        read = [tool for tool in read if tool.name == named]
        if not read:
            raise SchemaUnfit(SchemaFault.RANGE, "tool_choice", "names a tool that is not there")
    return ToolPlan(use, tuple(read), is_parallel)


def _function_of(tool: JsonValue) -> Mapping[str, JsonValue]:
    """Some write the function itself, some an object around it."""
    if not isinstance(tool, dict):
        return {}
    function = tool.get("function")
    return function if isinstance(function, dict) else tool


def _is_strict(tool: JsonValue) -> bool:
    return _function_of(tool).get("strict") is True


def _read_tool(tool: JsonValue, where: str) -> Tool:
    function = _function_of(tool)
    name = function.get("name")
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        raise SchemaUnfit(SchemaFault.RANGE, f"{where}.function.name", "is missing, or is no name of a function")
    parameters = function.get("parameters")
    is_strict = _is_strict(tool)
    if parameters is None:
        return Tool(name, ANY_OBJECT, is_strict)
    schema = parse_schema(parameters, f"{where}.function.parameters")
    if schema.get("type", "object") != "object":
        raise SchemaUnfit(SchemaFault.RANGE, f"{where}.function.parameters.type", "is not object")
    return Tool(name, {**schema, "type": "object"}, is_strict)
