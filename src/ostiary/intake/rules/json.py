"""The rules of the house's JSON reader, under the name that intake lists its rules by."""

from __future__ import annotations

from ostiary.core.json_rules import (
    JSON_BIG_INTEGER,
    JSON_BYTE_ORDER_MARK,
    JSON_DUPLICATE_KEY,
    JSON_LONE_SURROGATE,
    JSON_MALFORMED,
    JSON_NOT_AN_OBJECT,
    JSON_NOT_FINITE,
    JSON_NOT_UTF8,
    JSON_NUMBER_TOO_LONG,
    JSON_TOO_DEEP,
    JSON_TOO_LARGE,
    JSON_TOO_MANY_VALUES,
    RULES,
)

__all__ = [
    "JSON_BIG_INTEGER",
    "JSON_BYTE_ORDER_MARK",
    "JSON_DUPLICATE_KEY",
    "JSON_LONE_SURROGATE",
    "JSON_MALFORMED",
    "JSON_NOT_AN_OBJECT",
    "JSON_NOT_FINITE",
    "JSON_NOT_UTF8",
    "JSON_NUMBER_TOO_LONG",
    "JSON_TOO_DEEP",
    "JSON_TOO_LARGE",
    "JSON_TOO_MANY_VALUES",
    "RULES",
]
