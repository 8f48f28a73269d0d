"""Bodies: bytes -> strict JSON -> a closed form, or a refusal that names the field. Pure.

Two steps. `parse_json` refuses what two programs could read differently or what costs more than it should (repeated
keys, depth, halves of characters, numbers that overflow), which msgspec lets through; msgspec then holds the value
against the form that the route names, from which /openapi.json is made as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from ostiary.core.json_rules import JSON_BIG_INTEGER, JSON_DUPLICATE_KEY, JSON_NOT_FINITE
from ostiary.core.json_text import JsonValue, parse_json
from ostiary.core.limits import MAX_BODY_VALUES
from ostiary.core.text import quote_untrusted
from ostiary.errors import (
    CONTRACT_RANGE,
    CONTRACT_TOO_LONG,
    CONTRACT_TYPE,
    CONTRACT_UNKNOWN_FIELD,
    GATEWAY_BODY_MALFORMED,
    Code,
    ContractRefused,
    GatewayRefused,
    IntakeRefused,
)

Body = TypeVar("Body", bound=msgspec.Struct)

_WORDS: Final[Mapping[str, str]] = {
    "int": "a whole number",
    "float": "a number",
    "bool": "a boolean",
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_PLACE: Final = re.compile(r" - at `(?:key in )?\$\.?(.*?)`\Z", re.DOTALL)
_TYPES: Final = re.compile(r"Expected `([a-z| ]+)`, got `([a-z]+)`")
_BOUND: Final = re.compile(r"Expected `[a-z| ]+` (>=|<=|>|<) (-?[0-9.e+-]+)")
_LENGTH: Final = re.compile(r"Expected `([a-z| ]+)` of length (>=|<=) (\d+)")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_UNQUOTED: Final[Mapping[str, str]] = {
    JSON_BIG_INTEGER.id: "an integer needs more than 64 bits",
    JSON_DUPLICATE_KEY.id: "a key stands twice in one object",
    JSON_NOT_FINITE.id: "a number overflows, or is none",
}
"""In place of what a model's own files are told, which quotes them: nothing of a request's text is in answers."""
_ITEMS: Final = {"str": "characters", "array": "entries", "object": "entries"}


def parse_body(data: bytes, form: type[Body]) -> Body:
    """Raises GatewayRefused(GATEWAY_BODY_MALFORMED), and ContractRefused with the field."""
    return convert_body(parse_strict_json(data), form)


def parse_strict_json(data: bytes) -> JsonValue:
    """How large the bytes may be is judged before they are read. Raises GatewayRefused(GATEWAY_BODY_MALFORMED)."""
    try:
        return parse_json(data, max_values=MAX_BODY_VALUES)
    except IntakeRefused as refusal:
        finding = refusal.findings[0]
        detail = _UNQUOTED.get(finding.rule.id, finding.detail)
        raise GatewayRefused(GATEWAY_BODY_MALFORMED, detail) from refusal


def convert_body(value: JsonValue, form: type[Body]) -> Body:
    """Raises ContractRefused, which names the field."""
    try:
        return msgspec.convert(value, form, strict=True)
    except msgspec.ValidationError as error:
        raise explain_misfit(str(error)) from error
    except RecursionError as error:
        raise GatewayRefused(GATEWAY_BODY_MALFORMED, "it is nested too deeply") from error


def explain_misfit(said: str) -> ContractRefused:
    """What msgspec says, in our words: nothing of a value, and of names only that of the field."""
    found = _PLACE.search(said)
    place = found[1] if found else ""
    reason = said[: found.start()] if found else said
    for pattern, explain in _EXPLAIN.items():
        match = pattern.match(reason)
        if match is not None:
            code, name, detail = explain(match)
            return _refuse(code, _join(place, name), detail)
    if reason.startswith("Invalid"):
        return _refuse(CONTRACT_RANGE, place, "is none of the values that it may have")
    if reason.startswith("Number out of range"):
        return _refuse(CONTRACT_RANGE, place, "is a number that is too large")
    return _refuse(CONTRACT_RANGE, place, "does not fit")


def _refuse(code: Code, field: str, detail: str) -> ContractRefused:
    shown = quote_untrusted(field) or "the body"
    return ContractRefused(code, f"{shown} {detail}", field="" if not field else shown)


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place and name else place or name


def _explain_type(match: re.Match[str]) -> tuple[Code, str, str]:
    if match[1] == "null":  # so forms name what clients know and we do not have
        return CONTRACT_UNKNOWN_FIELD, "", "is not supported here"
    wanted = " or ".join(_WORDS.get(word.strip(), word.strip()) for word in match[1].split("|"))
    return CONTRACT_TYPE, "", f"is {_WORDS.get(match[2], match[2])}, not {wanted}"


def _explain_bound(match: re.Match[str]) -> tuple[Code, str, str]:
    words = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}
    return CONTRACT_RANGE, "", f"must be {words[match[1]]} {match[2].removesuffix('.0')}"


def _explain_length(match: re.Match[str]) -> tuple[Code, str, str]:
    if match[2] == "<=" and match[3] == "0":  # so forms have lists of what we do not have
        return CONTRACT_UNKNOWN_FIELD, "", "has entries, which are not supported here"
    kind = next((name for name in _ITEMS if name in match[1]), "array")
    if match[2] == ">=":
        return CONTRACT_RANGE, "", f"must have at least {match[3]} {_ITEMS[kind]}"
    return CONTRACT_TOO_LONG, "", f"may have at most {int(match[3]):,} {_ITEMS[kind]}"


_EXPLAIN: Final[Mapping[re.Pattern[str], Callable[[re.Match[str]], tuple[Code, str, str]]]] = {
    _UNKNOWN: lambda match: (CONTRACT_UNKNOWN_FIELD, match[1], "is no field that is taken here"),
    _MISSING: lambda match: (CONTRACT_TYPE, match[1], "is missing"),
    _LENGTH: _explain_length,
    _BOUND: _explain_bound,
    _TYPES: _explain_type,
}
