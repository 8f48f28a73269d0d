"""The messages of a conversation. Pure."""

from __future__ import annotations

import json as json_library
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.contract.check_json import JsonCheck
from ostiary.contract.fields import Fields, TextBudget, is_list, name_type
from ostiary.contract.unfit import unfit
from ostiary.core.json_text import JsonValue, parse_json
from ostiary.core.limits import MAX_CALL_MESSAGES
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TYPE, IntakeRefused

ROLES: Final = ("assistant", "developer", "system", "tool", "user")
_TEXTS: Final = ("name", "tool_call_id", "reasoning_content")


def check_messages(fields: Fields, json: JsonCheck) -> list[JsonValue]:
    messages = fields.items("messages", MAX_CALL_MESSAGES)
    if not messages:
        raise unfit(CONTRACT_TYPE, "messages", "is missing or empty")
    return [
        _check_message(message, f"messages[{place}]", fields.budget, json) for place, message in enumerate(messages)
    ]


def _check_message(message: object, where: str, budget: TextBudget, json: JsonCheck) -> JsonValue:
    if not isinstance(message, Mapping):
        raise unfit(CONTRACT_TYPE, where, f"is {name_type(message)}, not an object")
    fields = Fields(message, budget, f"{where}.")
    role = fields.word("role")
    if role not in ROLES:
        raise unfit(CONTRACT_RANGE, f"{where}.role", f"is not one of {', '.join(ROLES)}")
    made: dict[str, JsonValue] = {"role": role}
    content = _check_content(fields)
    if content is not None:
        made["content"] = content
    for name in _TEXTS:
        text = fields.text(name)
        if text is not None:
            made[name] = text
    calls = fields.items("tool_calls", MAX_CALL_MESSAGES)
    for place, call in enumerate(calls or ()):
        if not isinstance(call, Mapping):
            raise unfit(CONTRACT_TYPE, f"{where}.tool_calls[{place}]", f"is {name_type(call)}, not an object")
    if calls:
        checked = json.check(calls, f"{where}.tool_calls")
        made["tool_calls"] = [*_check_arguments(checked, f"{where}.tool_calls", budget)]
    fields.finish()
    if content is None and not calls:
        raise unfit(CONTRACT_TYPE, where, "has no content")
    return made


def _check_arguments(calls: JsonValue, field: str, budget: TextBudget) -> Iterator[JsonValue]:
    """Those that travel as JSON in a string are read for the template: what their escapes spell is text, too."""
    for place, call in enumerate(calls if isinstance(calls, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        text = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict) or not isinstance(text, str):
            yield call
            continue
        where = f"{field}[{place}].function.arguments"
        try:
            value = parse_json(text.encode())
        except IntakeRefused as error:
            raise unfit(CONTRACT_TYPE, where, "is not JSON") from error
        held = JsonCheck(budget.begin_anew()).check(value, where)
        if held == value:
            yield call
        else:
            yield {**call, "function": {**function, "arguments": json_library.dumps(held, ensure_ascii=False)}}


def _check_content(fields: Fields) -> JsonValue:
    """A text, or parts of type text, which are one text together."""
    value = fields.take("content")
    if not is_list(value):
        return fields.text("content")
    texts = []
    for place, part in enumerate(fields.items("content", MAX_CALL_MESSAGES) or ()):
        where = fields.name(f"content[{place}]")
        if not isinstance(part, Mapping):
            raise unfit(CONTRACT_TYPE, where, f"is {name_type(part)}, not an object")
        inner = Fields(part, fields.budget, f"{where}.")
        if inner.take("type") != "text":
            raise unfit(CONTRACT_RANGE, f"{where}.type", "is not text; language models take no other")
        text = inner.text("text")
        if text is None:
            raise unfit(CONTRACT_TYPE, f"{where}.text", "is missing")
        inner.finish()
        texts.append(text)
    return "".join(texts)
