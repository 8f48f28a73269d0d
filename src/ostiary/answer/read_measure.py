"""What a worker says of a text that it only measures: its vector, or how many tokens it has. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Final

from ostiary.answer.read_reply import ReplyMalformed
from ostiary.core.frames import Tail
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_VECTOR_NUMBERS

_LAST_COUNT: Final = (1 << 53) - 1
_NUMBER_BYTES: Final = 4


def read_vector(body: Mapping[str, JsonValue], tail: Tail) -> tuple[bytes, int]:
    """Float32, little-endian; and how many tokens the text had."""
    usage = body.get("usage")
    if set(body) != {"size", "usage"} or not isinstance(usage, dict) or set(usage) != {"prompt_tokens"}:
        raise ReplyMalformed("a vector with other fields than it has")
    size, data = _read_count(body["size"]), bytes(tail)
    if not 0 < size <= MAX_VECTOR_NUMBERS or len(data) != size * _NUMBER_BYTES:
        raise ReplyMalformed("a vector of another size than it says")
    if not all(map(math.isfinite, struct.unpack(f"<{size}f", data))):
        raise ReplyMalformed("a vector that is not of numbers")
    return data, _read_count(usage["prompt_tokens"])


def read_rendered(body: Mapping[str, JsonValue]) -> int:
    """How many tokens. The text itself is not passed on."""
    tokens = body.get("tokens")
    if set(body) != {"text", "tokens"} or not isinstance(tokens, list):
        raise ReplyMalformed("a rendered text with other fields than it has")
    return len(tokens)


def _read_count(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LAST_COUNT:
        raise ReplyMalformed("a count that is none")
    return value
