"""The wire format of protocol buffers, as far as SentencePiece uses it. Bounded, without a schema compiler.

https://protobuf.dev/programming-guides/encoding/: a message is a row of fields, each a key (number and wire type)
and a value. A reader here takes the next field and refuses what does not lie inside its message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from ostiary.core.findings import refuse
from ostiary.intake.rules.tokenizer import TOKENIZER_PIECES_MALFORMED


class WireType(IntEnum):
    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


class Field(NamedTuple):
    """One field of a message. `number` for VARINT; `data` for the others. A tuple: there are a million of them."""

    key: int
    type: WireType
    number: int
    data: bytes
    start: int

    @property
    def as_float(self) -> float:
        (value,) = struct.unpack("<f", self.data)
        return float(value)

    @property
    def as_int32(self) -> int:
        """Negative numbers are written as 64 bits of two's complement."""
        return self.number - (1 << 64) if self.number >> 63 else self.number


_TYPES: Final = {int(kind): kind for kind in WireType}
_MAX_VARINT_BYTES: Final = 10
_MAX_KEY: Final = (1 << 29) - 1


def read_fields(data: bytes, start: int = 0) -> Iterator[Field]:
    """The fields of the message that `data` is; `start` is where it begins in the file."""
    place = 0
    while place < len(data):
        at = start + place
        tag, place = _read_varint(data, place, start)
        key, kind = tag >> 3, _TYPES.get(tag & 7)
        if kind is None or not 1 <= key <= _MAX_KEY:
            raise refuse(TOKENIZER_PIECES_MALFORMED, f"field {key} has wire type {tag & 7}", offset=at)
        number, size = 0, 0
        if kind is WireType.VARINT:
            number, place = _read_varint(data, place, start)
        elif kind is WireType.BYTES:
            size, place = _read_varint(data, place, start)
        else:
            size = 8 if kind is WireType.FIXED64 else 4
        if size > len(data) - place:
            left = len(data) - place
            raise refuse(TOKENIZER_PIECES_MALFORMED, f"field {key} claims {size} of {left} bytes", offset=at)
        yield Field(key, kind, number, data[place : place + size], start + place)
        place += size


def _read_varint(data: bytes, place: int, start: int) -> tuple[int, int]:
    value = 0
    if place < len(data) and data[place] < 0x80:
        return data[place], place + 1
    for shift in range(_MAX_VARINT_BYTES):
        if place + shift >= len(data):
            break
        byte = data[place + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            if value >> 64:
                break
            return value, place + shift + 1
    raise refuse(TOKENIZER_PIECES_MALFORMED, "a number is cut off or too long", offset=start + place)
