"""JSON as RFC 8259 and I-JSON (RFC 7493) mean it, within limits: what is let through, every parser reads alike."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Final, TypeAlias

from ostiary.core.findings import refuse
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
)
from ostiary.core.limits import (
    MAX_JSON_BYTES,
    MAX_JSON_DEPTH,
    MAX_JSON_NUMBER_CHARACTERS,
    MAX_JSON_VALUES,
)
from ostiary.core.text import quote_untrusted

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

_CHUNK_BYTES: Final = 1 << 18

# Brackets become signed steps of depth, commas steps of nothing; the rest of a text says nothing about its shape.
_STRUCTURE: Final = b'"[]{},'
_OTHER_BYTES: Final = bytes(set(range(256)) - set(_STRUCTURE))
_TO_STEPS: Final = bytes.maketrans(b"[{]},", b"\x01\x01\xff\xff\x00")

_SURROGATE_PAIR: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR_MASK: Final = b"_" * 12

# Transformers' word for "no limit", int(1e30): it stands as model_max_length in most tokenizer_config.json files.
_NO_LIMIT: Final = "1000000000000000019884624838656"

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def parse_json(
    data: bytes,
    *,
    max_bytes: int = MAX_JSON_BYTES,
    max_values: int | None = None,
    allow_infinity: bool = False,
) -> JsonValue:
    """The value that `data` spells.

    `allow_infinity` lets the words Infinity and -Infinity through, for configurations where Python's own writer
    leaves them; the caller must then know where one may stand.
    """
    if len(data) > max_bytes:
        raise refuse(JSON_TOO_LARGE, f"{len(data)} bytes of JSON, the ceiling is {int(max_bytes)}")
    if data.startswith(_BYTE_ORDER_MARKS):
        raise refuse(JSON_BYTE_ORDER_MARK, "it starts with a byte order mark", offset=0)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(JSON_NOT_UTF8, "it is not UTF-8", offset=error.start) from error
    # Two bytes for two, so that offsets stay true. What is left of backslashes starts an escape,
    # and what is left of quotes delimits a string.
    masked = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    _check_shape(masked, MAX_JSON_VALUES if max_values is None else max_values)
    if b"\\u" in masked:
        _check_surrogates(masked)
    try:
        value: JsonValue = (_DECODER_WITH_INFINITY if allow_infinity else _DECODER).decode(text)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode("utf-8"))
        where = f"line {error.lineno}, column {error.colno}"
        raise refuse(JSON_MALFORMED, f"it is not JSON at {where}", offset=offset) from error
    return value


def parse_json_object(
    data: bytes,
    *,
    max_bytes: int = MAX_JSON_BYTES,
    max_values: int | None = None,
    allow_infinity: bool = False,
) -> dict[str, JsonValue]:
    """As `parse_json`, for files that must hold an object."""
    value = parse_json(data, max_bytes=max_bytes, max_values=max_values, allow_infinity=allow_infinity)
    if not isinstance(value, dict):
        raise refuse(JSON_NOT_AN_OBJECT, f"it holds {describe_type(value)}, not an object")
    return value


def describe_type(value: JsonValue) -> str:
    """The JSON name of a value's type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _check_shape(masked: bytes, max_values: int) -> None:
    """Depth and number of values, counted before a parser recurses or allocates.

    Up to the first error in the text this counts exactly what a parser would meet; after it no parser goes.
    Works chunk by chunk, so that its own memory does not grow with the text.
    """
    opened = masked.count(b"[") + masked.count(b"{")
    if opened <= MAX_JSON_DEPTH and 1 + opened + masked.count(b",") <= max_values:
        return  # in strings or not: too few for either, as in all that is short
    structure = masked.translate(None, _OTHER_BYTES)
    in_string = 0
    depth = 0
    values = 1
    for start in range(0, len(structure), _CHUNK_BYTES):
        pieces = structure[start : start + _CHUNK_BYTES].split(b'"')
        steps = b"".join(pieces[in_string::2]).translate(_TO_STEPS)
        in_string = (in_string + len(pieces) - 1) % 2
        values += len(steps) - steps.count(b"\xff")
        if values > max_values:
            raise refuse(JSON_TOO_MANY_VALUES, f"more than {int(max_values)} values")
        depths = list(accumulate(memoryview(steps).cast("b"), initial=depth))
        if max(depths) > MAX_JSON_DEPTH:
            raise refuse(JSON_TOO_DEEP, f"nested deeper than {int(MAX_JSON_DEPTH)} levels")
        depth = depths[-1]


def _check_surrogates(masked: bytes) -> None:
    if _SURROGATE.search(masked) is None:
        return
    lone = _SURROGATE.search(_SURROGATE_PAIR.sub(_PAIR_MASK, masked))
    if lone is not None:
        raise refuse(JSON_LONE_SURROGATE, "a string holds half a surrogate pair", offset=lone.start())


def _object_of(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise refuse(JSON_DUPLICATE_KEY, f"the key '{quote_untrusted(key)}' stands twice in one object")
            seen.add(key)
    return value


def _integer_of(digits: str) -> int:
    if len(digits) > MAX_JSON_NUMBER_CHARACTERS:
        raise refuse(JSON_NUMBER_TOO_LONG, f"an integer of {len(digits)} characters")
    value = int(digits)
    if not -(1 << 63) <= value < 1 << 64 and digits != _NO_LIMIT:
        raise refuse(JSON_BIG_INTEGER, f"the integer {quote_untrusted(digits)} needs more than 64 bits")
    return value


def _float_of(digits: str) -> float:
    if len(digits) > MAX_JSON_NUMBER_CHARACTERS:
        raise refuse(JSON_NUMBER_TOO_LONG, f"a number of {len(digits)} characters")
    value = float(digits)
    if not math.isfinite(value):
        raise refuse(JSON_NOT_FINITE, f"the number {quote_untrusted(digits)} overflows")
    return value


def _refuse_constant(name: str) -> float:
    raise refuse(JSON_NOT_FINITE, f"it holds {name}")


def _infinity_of(name: str) -> float:
    if name == "NaN":
        raise refuse(JSON_NOT_FINITE, "it holds NaN")
    return float(name)


def _make_decoder(constant_of: Callable[[str], float]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object_of, parse_int=_integer_of, parse_float=_float_of, parse_constant=constant_of
    )


_DECODER: Final = _make_decoder(_refuse_constant)
_DECODER_WITH_INFINITY: Final = _make_decoder(_infinity_of)
