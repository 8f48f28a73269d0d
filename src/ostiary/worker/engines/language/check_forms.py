"""What a call says of the form of its answer, and of tools: read by the rules that both sides share."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.core.answer_forms import ToolPlan, parse_answer_form, parse_tool_plan
from ostiary.core.json_text import JsonValue
from ostiary.core.schema_rules import Schema, SchemaUnfit
from ostiary.core.text import quote_untrusted
from ostiary.worker.engines.contract import CallUnfit


def check_form(value: JsonValue) -> Schema | None:
    """Raises CallUnfit."""
    if value is None:
        return None
    try:
        return parse_answer_form(value)
    except SchemaUnfit as error:
        raise _unfit(error) from error


def check_tools(
    tools: Sequence[JsonValue] | None, choice: JsonValue, *, is_parallel: bool, is_held: bool
) -> ToolPlan:
    """Raises CallUnfit."""
    try:
        return parse_tool_plan(tools, choice, is_parallel=is_parallel, is_held=is_held)
    except SchemaUnfit as error:
        raise _unfit(error) from error


def drop_strictness(tool: JsonValue) -> JsonValue:
    """`strict` is for us: no template knows it."""
    if not isinstance(tool, dict):
        return tool
    return {
        name: drop_strictness(item) if name == "function" else item
        for name, item in tool.items()
        if name != "strict"
    }


def _unfit(error: SchemaUnfit) -> CallUnfit:
    return CallUnfit(f"{quote_untrusted(error.where)} {error.detail}")
