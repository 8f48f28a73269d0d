"""Whether every number of a tensor keeps to its bounds, without unpacking any of them. Pure; no library for arrays.

A piece of the tensor is asked byte by byte, of all its numbers at once (`lane_bytes`), by codes: numbers in their
order, negative ones, then both zeros, then the others, and what is not finite outside of both ends. At 1 to 3 GB/s,
less where many numbers are at the bounds themselves (docs/adr/0072-tensors-are-checked-as-integers.md).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from ostiary.core.lane_bytes import find_look
from ostiary.core.lane_codes import LANES, Lane, finite_codes, turn

__all__: Final = [
    "LANES",
    "Ends",
    "Lane",
    "decode",
    "find_not_allowed",
    "find_not_finite",
    "find_outside",
    "round_half",
    "write_ends",
    "write_infinity",
    "write_nan",
    "write_next",
    "write_numbers",
]

_PIECE_BYTES: Final = 1 << 15
"""Stays in the processor's nearest memory, with all that is made of it."""


def find_outside(data: memoryview, lane: Lane, low: float | None, high: float | None) -> int | None:
    """The place of the first number that is not from `low` to `high`, both included; None where there is none.

    What is not a number, or infinite, is outside whatever the bounds. `data` is contiguous bytes, little-endian.
    """
    least, most = _find_bounds(lane, low, high)
    if least > most:
        return 0 if len(data) else None
    return _find(data, lane, least, most)


def find_not_finite(data: memoryview, lane: Lane) -> int | None:
    """The place of the first infinity or of the first that is not a number."""
    if lane.kind != "float":
        return None
    return _find(data, lane, *finite_codes(lane))


def find_not_allowed(data: memoryview, lane: Lane, allowed: Collection[float]) -> int | None:
    """The place of the first number that is none of these, as the datatype writes them."""
    known = frozenset(code for value in allowed for code in _encode(lane, value))
    words = data.cast(_WORDS[lane.bytes])
    step = _PIECE_BYTES // lane.bytes
    every = bytes(sorted(known)) if lane.bytes == 1 else None
    for start in range(0, len(words), step):
        if every is not None and not bytes(data[start : start + step]).translate(None, every):
            continue  # nothing is left of it: a hundred times as fast
        piece = words[start : start + step].tolist()
        if not known.issuperset(piece):
            return start + next(place for place, code in enumerate(piece) if code not in known)
    return None


def decode(lane: Lane, data: bytes) -> float:
    """One number."""
    if lane.kind != "float":
        return int.from_bytes(data, "little", signed=lane.kind == "signed")
    form, pad = _FLOATS[lane]
    (value,) = struct.unpack(form, pad + data)
    return float(value)


class Ends(NamedTuple):
    """Numbers at the ends of a range, as the datatype writes them."""

    least: bytes
    most: bytes
    below: bytes | None
    """The greatest finite number under the range; None where there is none."""
    above: bytes | None


def write_ends(lane: Lane, low: float | None, high: float | None) -> Ends | None:
    """None where no number of the datatype lies within."""
    least, most = _find_bounds(lane, low, high)
    if least > most:
        return None
    first, last = finite_codes(lane)
    return Ends(
        _write(lane, least),
        _write(lane, most),
        _write(lane, least - 1) if least > first else None,
        _write(lane, most + 1) if most < last else None,
    )


def write_numbers(lane: Lane, value: float) -> tuple[bytes, ...]:
    """How the datatype writes it: in two ways where it is zero with a sign; in none where it has no such number."""
    return tuple(word.to_bytes(lane.bytes, "little") for word in _encode(lane, value))


def write_next(lane: Lane, data: bytes) -> bytes | None:
    """The next greater finite number; None after the last."""
    code = turn(lane, int.from_bytes(data, "little"), is_code=False) + 1
    return _write(lane, code) if code <= finite_codes(lane)[1] else None


def write_infinity(lane: Lane) -> bytes:
    return _write(lane, finite_codes(lane)[1] + 1)


def write_nan(lane: Lane) -> bytes:
    return ((1 << (lane.bits - 1)) - 1).to_bytes(lane.bytes, "little")


def _write(lane: Lane, code: int) -> bytes:
    return turn(lane, code, is_code=True).to_bytes(lane.bytes, "little")


_WORDS: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FLOATS: Final[Mapping[Lane, tuple[str, bytes]]] = {
    LANES["FP16"]: ("<e", b""),
    LANES["BF16"]: ("<f", b"\0\0"),  # the upper half of a number of 32 bits
    LANES["FP32"]: ("<f", b""),
}


def _cut(data: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


def _find(data: memoryview, lane: Lane, least: int, most: int) -> int | None:
    """The first number outside of these codes."""
    look = find_look(lane, least, most)
    for number, piece in enumerate(_cut(data)):
        if not look.is_within(bytes(piece)):
            return number * (_PIECE_BYTES // lane.bytes) + _find_in_piece(piece, lane, least, most)
    return None


# --- codes ---


def _decode_code(lane: Lane, code: int) -> float:
    return decode(lane, _write(lane, code))


@lru_cache(maxsize=256)
def _find_bounds(lane: Lane, low: float | None, high: float | None) -> tuple[int, int]:
    """The codes of the least and of the greatest number within; where none is, the first is above the second."""
    least = _find_code(lane, lambda value: low is None or value >= low)
    return least, _find_code(lane, lambda value: high is not None and value > high) - 1


def _find_code(lane: Lane, is_reached: Callable[[float], bool]) -> int:
    """The first finite code for whose number this is so, as for all after it; one past the last where for none."""
    low, last = finite_codes(lane)
    high = last + 1
    while low < high:
        middle = (low + high) // 2
        if is_reached(_decode_code(lane, middle)):
            high = middle
        else:
            low = middle + 1
    return low


def _encode(lane: Lane, value: float) -> tuple[int, ...]:
    """The bits of a number, of both zeros where it is zero; nothing where the datatype has no such number."""
    code = _find_code(lane, lambda found: found >= value)
    if code > finite_codes(lane)[1]:
        return ()
    word = turn(lane, code, is_code=True)
    nearest = decode(lane, word.to_bytes(lane.bytes, "little"))
    if lane.kind != "float":
        return (word,) if nearest == value else ()
    if nearest == 0:
        return (0, 1 << (lane.bits - 1))
    form, pad = _FLOATS[lane]
    word = int.from_bytes(struct.pack(form, value), "little")
    return (round_half(word) if pad else word,)


def round_half(word: int) -> int:
    """The bits of an FP32, as those of the nearest BF16, ties to even."""
    if word & 0x7FFFFFFF > 0x7F800000:  # not a number, and it stays one
        return word >> 16 | 0x40
    return (word + 0x7FFF + (word >> 16 & 1)) >> 16


def _find_in_piece(piece: memoryview, lane: Lane, least: int, most: int) -> int:
    """One by one, as it is known that there is one."""
    words = piece.cast(_WORDS[lane.bytes]).tolist()
    return next(place for place, word in enumerate(words) if not least <= turn(lane, word, is_code=False) <= most)
