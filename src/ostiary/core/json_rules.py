"""What JSON from outside must not be: what two programs could read differently, or what never ends."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_DUPLICATE_NAME, INTAKE_MALFORMED, INTAKE_TOO_LARGE

JSON_TOO_LARGE: Final = Rule(
    "json.too-large",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "JSON file larger than its ceiling",
    "Parsing it could take all memory before anything of it is judged.",
)
JSON_TOO_DEEP: Final = Rule(
    "json.too-deep",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "JSON nested too deep",
    "A parser that recurses could run out of stack and end the process.",
)
JSON_TOO_MANY_VALUES: Final = Rule(
    "json.too-many-values",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "JSON with too many values",
    "A small text of empty values could take all memory once parsed.",
)
JSON_NUMBER_TOO_LONG: Final = Rule(
    "json.number-too-long",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "JSON number with too many digits",
    "Converting it could take minutes, or end a loader that limits digits.",
)
JSON_NOT_UTF8: Final = Rule(
    "json.not-utf8",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "JSON that is not UTF-8",
    "Programs that guess another encoding could read other settings than those that were judged.",
)
JSON_BYTE_ORDER_MARK: Final = Rule(
    "json.byte-order-mark",
    Severity.LOW,
    INTAKE_MALFORMED,
    "JSON that starts with a byte order mark",
    "Some programs refuse the file and some read it, so they could work with different settings.",
)
JSON_MALFORMED: Final = Rule(
    "json.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Text that is not JSON",
    "Lenient programs could repair it, each to different settings.",
)
JSON_DUPLICATE_KEY: Final = Rule(
    "json.duplicate-key",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "JSON object that repeats a key",
    "A scanner could see the first value and a loader use the last, so that a harmful one passes unseen.",
)
JSON_NOT_FINITE: Final = Rule(
    "json.not-finite",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "JSON with NaN, Infinity or a number that overflows",
    "It could turn every result of the model into NaN, and JSON readers disagree about it.",
)
JSON_BIG_INTEGER: Final = Rule(
    "json.big-integer",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "JSON integer beyond 64 bits",
    "It could wrap around in native code, so that a checked size and the used size differ.",
)
JSON_LONE_SURROGATE: Final = Rule(
    "json.lone-surrogate",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "JSON string with half a surrogate pair",
    "The string is no Unicode text: printing, hashing or encoding it could fail in any program that uses it.",
)
JSON_NOT_AN_OBJECT: Final = Rule(
    "json.not-an-object",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "JSON file that is not an object",
    "A loader that expects named settings could fail in a place that nobody foresaw.",
)

RULES: Final = (
    JSON_TOO_LARGE,
    JSON_TOO_DEEP,
    JSON_TOO_MANY_VALUES,
    JSON_NUMBER_TOO_LONG,
    JSON_NOT_UTF8,
    JSON_BYTE_ORDER_MARK,
    JSON_MALFORMED,
    JSON_DUPLICATE_KEY,
    JSON_NOT_FINITE,
    JSON_BIG_INTEGER,
    JSON_LONE_SURROGATE,
    JSON_NOT_AN_OBJECT,
)
