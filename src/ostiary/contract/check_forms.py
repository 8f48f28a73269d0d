"""What a request says of the form of its answer, and of tools: read by the rules that both sides share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.contract.check_json import JsonCheck
from ostiary.contract.fields import Fields
from ostiary.contract.unfit import unfit
from ostiary.core.answer_forms import parse_answer_form, parse_tool_plan
from ostiary.core.json_text import JsonValue
from ostiary.core.schema_rules import SchemaFault, SchemaUnfit
from ostiary.errors import (
    CONTRACT_RANGE,
    CONTRACT_TOO_LONG,
    CONTRACT_TYPE,
    CONTRACT_UNKNOWN_FIELD,
    Code,
    ContractRefused,
)

_CODES: Final[Mapping[SchemaFault, Code]] = {
    SchemaFault.UNKNOWN: CONTRACT_UNKNOWN_FIELD,
    SchemaFault.TYPE: CONTRACT_TYPE,
    SchemaFault.RANGE: CONTRACT_RANGE,
    SchemaFault.TOO_LONG: CONTRACT_TOO_LONG,
}


def check_form(fields: Fields, json: JsonCheck, body: dict[str, JsonValue]) -> None:
    """`response_format`. Text needs none."""
    value = fields.take("response_format")
    if value is None:
        return
    form = json.check(value, "response_format")
    try:
        schema = parse_answer_form(form)
    except SchemaUnfit as error:
        raise _refuse(error) from error
    if schema is not None:
        body["response_format"] = form


def check_tool_choice(fields: Fields, json: JsonCheck, body: dict[str, JsonValue]) -> None:
    """`tool_choice` and `parallel_tool_calls`, which speak of the tools that are in `body` already."""
    choice = fields.take("tool_choice")
    chosen = None if choice is None else json.check(choice, "tool_choice")
    is_parallel = fields.flag("parallel_tool_calls")
    tools = body.get("tools")
    try:
        parse_tool_plan(tools if isinstance(tools, list) else None, chosen, is_held="response_format" in body)
    except SchemaUnfit as error:
        raise _refuse(error) from error
    if chosen is not None:
        body["tool_choice"] = chosen
    if is_parallel is False:
        body["parallel_tool_calls"] = False


def _refuse(error: SchemaUnfit) -> ContractRefused:
    return unfit(_CODES[error.fault], error.where, error.detail)
