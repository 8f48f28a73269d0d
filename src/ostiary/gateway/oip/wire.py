"""The encoding of protocol buffers, as far as the Open Inference Protocol has it. Pure.

Ours, and not the library's, for three reasons (docs/adr/0092-open-inference-protocol.md): a field that is not known
is refused and not passed over; tensors are parts of what was received and not copies; and no generated code has to
agree with whatever version of the library, and whatever other copy of the same messages, a program has loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from ostiary.core.limits import MAX_BODY_VALUES
from ostiary.errors import CONTRACT_TOO_LONG, GATEWAY_BODY_MALFORMED, ContractRefused, GatewayRefused

_MASK_64: Final = (1 << 64) - 1
_VARINT_BYTES: Final = 10
_LAST_FIELD: Final = (1 << 29) - 1


class Wire(IntEnum):
    """How a field is written. Groups, which are long out of use, are malformed."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


class Field(NamedTuple):
    number: int
    wire: Wire
    value: int
    """Of a varint, as an unsigned number of 64 bits."""
    data: memoryview
    """Of every other."""


def read_fields(data: memoryview) -> Iterator[Field]:
    """Raises GatewayRefused(GATEWAY_BODY_MALFORMED) where it is none."""
    none = data[:0]
    place, end = 0, len(data)
    while place < end:
        tag, place = read_varint(data, place)
        number = tag >> 3
        if not 0 < number <= _LAST_FIELD:
            raise malformed("a field has a number that no field has")
        kind = tag & 7
        if kind == Wire.VARINT:
            value, place = read_varint(data, place)
            yield Field(number, Wire.VARINT, value, none)
            continue
        if kind == Wire.BYTES:
            size, place = read_varint(data, place)
        elif kind in (Wire.FIXED32, Wire.FIXED64):
            size = 4 if kind == Wire.FIXED32 else 8
        else:
            raise malformed("a field is written in a way that there is not")
        if size > end - place:
            raise malformed("a field is longer than the message")
        yield Field(number, Wire(kind), 0, data[place : place + size])
        place += size


def read_varint(data: memoryview, place: int) -> tuple[int, int]:
    """The number, and where it ends."""
    value = 0
    for count, byte in enumerate(data[place : place + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value > _MASK_64:
                break
            return value, place + count + 1
    raise malformed("a number does not end, or has more than 64 bits")


def read_text(field: Field, name: str) -> str:
    _expect(field, Wire.BYTES, name)
    try:
        return str(field.data, "utf-8")
    except UnicodeDecodeError as error:
        raise malformed(f"{name} is not UTF-8") from error


def read_message(field: Field, name: str) -> memoryview:
    _expect(field, Wire.BYTES, name)
    return field.data


def read_numbers(field: Field, name: str, room: int) -> list[int]:
    """Of a repeated field of varints: one, or several in one piece. `room`: so many more there may be."""
    if field.wire is Wire.VARINT:
        numbers = [field.value]
    else:
        _expect(field, Wire.BYTES, name)
        numbers = _unpack(field.data, name, room)
    if len(numbers) > room:
        raise _too_many(name)
    return numbers


def sign(value: int) -> int:
    """A number of 64 bits as int64 and int32 have it."""
    return value - (1 << 64) if value >> 63 else value


def write_varint(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value & _MASK_64)


def write_bytes(number: int, data: bytes | memoryview) -> list[bytes | memoryview]:
    """The parts of a field, of which the last is `data` itself."""
    return [_varint(number << 3 | Wire.BYTES) + _varint(len(data)), data]


def write_text(number: int, text: str) -> bytes:
    """Nothing where it is empty, as the other side then sees it so."""
    return b"".join(write_bytes(number, text.encode())) if text else b""


def write_packed(number: int, values: Sequence[int]) -> bytes:
    packed = b"".join(_varint(value & _MASK_64) for value in values)
    return b"".join(write_bytes(number, packed)) if packed else b""


def malformed(what: str) -> GatewayRefused:
    return GatewayRefused(GATEWAY_BODY_MALFORMED, what)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _unpack(data: memoryview, name: str, room: int) -> list[int]:
    numbers: list[int] = []
    place, end = 0, len(data)
    while place < end:
        byte = data[place]
        if byte < 0x80:
            numbers.append(byte)
            place += 1
        else:
            value, place = read_varint(data, place)
            numbers.append(value)
        if len(numbers) > room:
            raise _too_many(name)
    return numbers


def _expect(field: Field, wire: Wire, name: str) -> None:
    if field.wire is not wire:
        raise malformed(f"{name} is written as another kind of field")


def _too_many(name: str) -> ContractRefused:
    return ContractRefused(
        CONTRACT_TOO_LONG,
        f"{name} has more numbers than {int(MAX_BODY_VALUES):,} one by one: send raw contents",
        field=name,
    )
