"""Checks of single JSON fields, to describe a part of a tokenizer as a table: field name -> check.

A check takes a value and the place it stands at, and refuses what it does not like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_TOKEN_CHARACTERS, MAX_TOKEN_ID
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue, describe_type
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_MALFORMED,
    TOKENIZER_OUT_OF_RANGE,
    TOKENIZER_TOO_LARGE,
    TOKENIZER_UNKNOWN_PART,
)

Check: TypeAlias = Callable[[JsonValue, str], None]


@dataclass(frozen=True, slots=True)
class MayBeAbsent:
    """A field with a default."""

    check: Check


Fields: TypeAlias = Mapping[str, Check | MayBeAbsent]


def check_object(value: JsonValue, where: str, fields: Fields) -> dict[str, JsonValue]:
    """`value` as an object with these fields and no others."""
    entry = need_object(value, where)
    for name in entry:
        if name not in fields:
            raise refuse(TOKENIZER_UNKNOWN_PART, f"{where} has a field '{quote_untrusted(name)}'")
    for name, check in fields.items():
        if name in entry:
            (check.check if isinstance(check, MayBeAbsent) else check)(entry[name], f"{where}.{name}")
        elif not isinstance(check, MayBeAbsent):
            raise refuse(TOKENIZER_MALFORMED, f"{where} lacks the field '{name}'")
    return entry


def need_object(value: JsonValue, where: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise refuse(TOKENIZER_MALFORMED, f"{where} is {describe_type(value)}, not an object")
    return value


def need_list(value: JsonValue, where: str) -> list[JsonValue]:
    if not isinstance(value, list):
        raise refuse(TOKENIZER_MALFORMED, f"{where} is {describe_type(value)}, not a list")
    return value


def need_text(value: JsonValue, where: str) -> str:
    if not isinstance(value, str):
        raise refuse(TOKENIZER_MALFORMED, f"{where} is {describe_type(value)}, not a string")
    if len(value) > MAX_TOKEN_CHARACTERS:
        raise refuse(TOKENIZER_TOO_LARGE, f"{where} has {len(value)} characters")
    return value


def need_whole(value: JsonValue, where: str, *, most: int = MAX_TOKEN_ID, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(TOKENIZER_MALFORMED, f"{where} is {describe_type(value)}, not a whole number")
    if not least <= value <= most:
        raise refuse(TOKENIZER_OUT_OF_RANGE, f"{where} is {value}, outside {least} to {int(most)}")
    return value


def is_flag(value: JsonValue, where: str) -> None:
    if not isinstance(value, bool):
        raise refuse(TOKENIZER_MALFORMED, f"{where} is {describe_type(value)}, not a boolean")


def is_text(value: JsonValue, where: str) -> None:
    need_text(value, where)


def is_token_id(value: JsonValue, where: str) -> None:
    need_whole(value, where)


def is_character(value: JsonValue, where: str) -> None:
    if len(need_text(value, where)) != 1:
        raise refuse(TOKENIZER_MALFORMED, f"{where} is not a single character")


def is_null_or(check: Check) -> Check:
    def check_unless_null(value: JsonValue, where: str) -> None:
        if value is not None:
            check(value, where)

    return check_unless_null


def is_one_of(*names: str) -> Check:
    def check_name(value: JsonValue, where: str) -> None:
        if need_text(value, where) not in names:
            raise refuse(TOKENIZER_UNKNOWN_PART, f"{where} is '{quote_untrusted(str(value))}'")

    return check_name


def is_count(most: int, least: int = 0) -> Check:
    def check_count(value: JsonValue, where: str) -> None:
        need_whole(value, where, most=most, least=least)

    return check_count


def is_anything(_value: JsonValue, _where: str) -> None:
    """For fields that are looked at elsewhere."""


TYPE_FIELD: Final = "type"
