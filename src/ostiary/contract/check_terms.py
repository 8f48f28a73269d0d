"""A request of a known form held against what the model's own contract says. Pure.

It runs behind the checks of the house, so it can only narrow: whatever it says, those held before. Rules are
named by their place in contract.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.contract.unfit import unfit
from ostiary.core.json_text import JsonValue
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.terms.values import (
    DOCUMENTS,
    MESSAGES,
    PROMPT,
    PROMPT_IDS,
    TEMPLATE_OPTIONS,
    TEXT,
    TEXT_IDS,
    TOOLS,
    LanguageTerms,
    ParameterTerms,
    Span,
)
from ostiary.core.terms.vocabulary import CHOICES, INPUTS
from ostiary.errors import CONTRACT_NOT_OFFERED, CONTRACT_RANGE, CONTRACT_TOO_LONG

_Body = Mapping[str, JsonValue]

_NO_PARAMETERS: Final = frozenset(
    {PROMPT, MESSAGES, TOOLS, DOCUMENTS, TEMPLATE_OPTIONS, TEXT, "max_tokens", "n", "tenant"}
)
"""Fields that have bounds of their own, or that are no matter of the model's."""
_FIELDS: Final[Mapping[str, str]] = {PROMPT_IDS: PROMPT, TEXT_IDS: TEXT}
"""Inputs that come in the field of another."""
_MESSAGE_TEXTS: Final = ("content", "reasoning_content", "name", "tool_call_id", "tool_calls")


def hold_to_terms(request: ParsedRequest, body: _Body, choices: int, terms: LanguageTerms) -> None:
    """`body`: as the house has checked it. Raises ContractRefused."""
    for name in _list_inputs(request.operation, body):
        _check_input(name, body, terms)
    if choices:
        _check_dim(CHOICES, "n", choices, terms)
    for name, value in request.fields.items():
        if value is not None and name not in _NO_PARAMETERS:
            _check_parameter(name, value, body.get(name), terms)


def find_prompt_limit(body: _Body, terms: LanguageTerms) -> int | None:
    """How many tokens the prompt may have. Only the engine can count them."""
    named = next(name for name in (MESSAGES, PROMPT, TEXT) if name in body)
    item = terms.inputs.get(named)
    return None if item is None or (named != MESSAGES and isinstance(body[named], list)) else item.max_tokens


def _list_inputs(operation: Operation, body: _Body) -> list[str]:
    if operation is Operation.GENERATE:
        return [PROMPT_IDS if isinstance(body[PROMPT], list) else PROMPT]
    if operation is Operation.EMBED:
        return [TEXT_IDS if isinstance(body[TEXT], list) else TEXT]
    return [name for name in (MESSAGES, TOOLS, DOCUMENTS, TEMPLATE_OPTIONS) if name in body]


def _check_input(name: str, body: _Body, terms: LanguageTerms) -> None:
    field = _FIELDS.get(name, name)
    item = terms.inputs.get(name)
    if item is None:
        what = "as token ids " if name in _FIELDS else ""
        raise unfit(CONTRACT_NOT_OFFERED, field, f"is not taken {what}by this model's contract", "inputs")
    value = body[field]
    if isinstance(value, list):
        dim = INPUTS[name].dim
        if dim is not None:
            _check_dim(dim, field, len(value), terms)
    if name == MESSAGES and isinstance(value, list):
        for place, message in enumerate(value):
            _check_message(message, f"{MESSAGES}[{place}]", terms)
        return
    _check_characters(f"inputs.{name}", field, value, item.max_characters)
    if item.ids is not None and isinstance(value, list):
        _check_ids(name, field, value, item.ids)
    if item.allowed is not None and isinstance(value, dict):
        for option in value:
            if option not in item.allowed:
                rule = f"inputs.{name}.allowed"
                raise unfit(CONTRACT_NOT_OFFERED, f"{name}.{option}", "is not taken by this model's contract", rule)


def _check_message(message: JsonValue, field: str, terms: LanguageTerms) -> None:
    item = terms.inputs[MESSAGES]
    if not isinstance(message, dict):
        return
    if item.roles is not None and message.get("role") not in item.roles:
        detail = f"is not one of {', '.join(item.roles)}"
        raise unfit(CONTRACT_NOT_OFFERED, f"{field}.role", detail, "inputs.messages.roles", item.roles)
    texts: list[JsonValue] = [message[name] for name in _MESSAGE_TEXTS if name in message]
    _check_characters("inputs.messages", field, texts, item.max_characters)


def _check_characters(rule: str, field: str, value: JsonValue, most: int | None) -> None:
    if most is None:
        return
    count = _count_characters(value)
    if count > most:
        detail = f"has {count:,} characters; the contract allows {most:,}"
        raise unfit(CONTRACT_TOO_LONG, field, detail, f"{rule}.max_characters", most)


def _count_characters(value: JsonValue) -> int:
    """Names of members included. The house has bounded the depth."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_count_characters, value))
    if isinstance(value, dict):
        return sum(len(name) + _count_characters(item) for name, item in value.items())
    return 0


def _check_ids(name: str, field: str, ids: list[JsonValue], span: Span) -> None:
    for number in ids:
        if isinstance(number, int) and not span.least <= number <= span.most:
            detail = (
                f"holds a token id that the contract does not allow; those from {span.least} to {span.most} are"
            )
            rule = f"inputs.{name}.range"
            raise unfit(CONTRACT_RANGE, field, detail, rule, (span.least, span.most))


def _check_dim(dim: str, field: str, count: int, terms: LanguageTerms) -> None:
    bounds = terms.dims.get(dim)
    if bounds is None:
        return
    if count > bounds.most:
        detail = f"has {count:,} entries; the contract allows {bounds.most:,}"
        if dim == CHOICES:
            detail = f"is {count}; the contract allows {bounds.most}"
        raise unfit(CONTRACT_TOO_LONG, field, detail, f"dims.{dim}.max", bounds.most)
    if count < bounds.least:
        detail = f"has {count:,}; the contract wants {bounds.least:,} at least"
        raise unfit(CONTRACT_RANGE, field, detail, f"dims.{dim}.min", bounds.least)


def _check_parameter(name: str, given: object, checked: JsonValue, terms: LanguageTerms) -> None:
    if terms.parameters is None:
        return
    item = terms.parameters.get(name)
    if item is None:
        raise unfit(CONTRACT_NOT_OFFERED, name, "is not offered by this model's contract", "parameters")
    rule = f"parameters.{name}"
    if item.allowed is not None and isinstance(given, bool) and given not in item.allowed:
        detail = f"may not be {'true' if given else 'false'}, says this model's contract"
        raise unfit(CONTRACT_RANGE, name, detail, f"{rule}.allowed", "false" if given else "true")
    count = len(checked) if isinstance(checked, list | dict) else 0
    if item.max_items is not None and count > item.max_items:
        detail = f"has {count:,} entries; the contract allows {item.max_items:,}"
        raise unfit(CONTRACT_TOO_LONG, name, detail, f"{rule}.max_items", item.max_items)
    _check_span(name, checked, item, rule)


def _check_span(name: str, checked: JsonValue, item: ParameterTerms, rule: str) -> None:
    span = item.span
    if span is None:
        return
    for value in checked.values() if isinstance(checked, dict) else [checked]:
        if isinstance(value, int | float) and not span.least <= value <= span.most:
            detail = f"must be from {span.least:g} to {span.most:g}, says this model's contract"
            raise unfit(CONTRACT_RANGE, name, detail, f"{rule}.range", (span.least, span.most))
