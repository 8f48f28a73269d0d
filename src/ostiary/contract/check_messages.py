"""The messages of a conversation. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.contract.check_json import JsonCheck
from ostiary.contract.fields import Fields, TextBudget, is_list, name_type, unfit
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_CALL_MESSAGES
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TYPE

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
    role = fields.text("role")
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
        made["tool_calls"] = json.check(calls, f"{where}.tool_calls")
    fields.finish()
    if content is None and not calls:
        raise unfit(CONTRACT_TYPE, where, "has no content")
    return made


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
