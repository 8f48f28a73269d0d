"""Whether all numbers of a piece lie within bounds, by as little of them as tells it: their upper bytes. Pure.

Bytes of one place are taken out of all numbers at once, and translated into what they say: this one is within
whatever follows; this one is outside; this one is at an edge, and the next byte tells. Numbers for which two bytes
do not tell are left to whoever asked, as is all that is outside: a glance never refuses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ostiary.core.lane_codes import Lane, turn
from ostiary.core.values import dataclass

_OUTSIDE: Final = 0x80


@dataclass(frozen=True, slots=True)
class Look:
    """For one datatype and one pair of bounds."""

    step: int
    """Bytes of a number."""
    same: tuple[tuple[int, int], ...]
    """Places of bytes that are the same in all numbers within, and these bytes: the uppermost ones."""
    place: int
    """Of the byte that tells next; below zero where none is left."""
    first: bytes
    """By byte: 0 where it is within; else a bit that says which edge it is at, or that it is outside."""
    second: bytes | None
    """Of the byte after it, the bits of those edges beyond which it lies. None where it does not matter."""

    def is_surely_within(self, piece: bytes) -> bool:
        """False: some number is outside, or these bytes do not tell."""
        count = len(piece) // self.step
        for place, byte in self.same:
            if piece[place :: self.step] != bytes((byte,)) * count:
                return False
        if self.place < 0:
            return True
        at_edge = piece[self.place :: self.step].translate(self.first)
        if at_edge == bytes(count):
            return True
        if self.second is None:
            return False
        beyond = piece[self.place - 1 :: self.step].translate(self.second)
        return not int.from_bytes(at_edge, "little") & int.from_bytes(beyond, "little")


@lru_cache(maxsize=64)
def find_look(lane: Lane, least: int, most: int) -> Look:
    """`least` and `most` are codes, the first not above the second."""
    same = _find_same(lane, least, most)
    place = lane.bytes - 1 - len(same)
    if place < 0:
        return Look(lane.bytes, tuple(same), place, b"", None)
    head = 0
    for at, byte in same:
        head |= byte << 8 * at
    first, second, edges = bytearray(256), bytearray([_OUTSIDE]) * 256, 0
    for byte in range(256):
        word = head | byte << 8 * place
        is_within, is_outside = _judge(lane, word, 8 * place, least, most)
        if is_outside or (not is_within and not place):
            first[byte] = _OUTSIDE
        elif not is_within:
            first[byte] = mark = 1 << edges
            edges += 1
            for after in range(256):
                if not _judge(lane, word | after << 8 * (place - 1), 8 * (place - 1), least, most)[0]:
                    second[after] |= mark
    return Look(lane.bytes, tuple(same), place, bytes(first), bytes(second) if edges else None)


def _find_same(lane: Lane, least: int, most: int) -> list[tuple[int, int]]:
    """From the uppermost byte on. Codes of one sign have words in order, or in the reverse of it."""
    first, last = turn(lane, least, is_code=True), turn(lane, most, is_code=True)
    same: list[tuple[int, int]] = []
    if lane.kind != "unsigned" and (first ^ last) >> (lane.bits - 1):
        return same
    for place in range(lane.bytes - 1, -1, -1):
        byte = first >> 8 * place & 0xFF
        if byte != last >> 8 * place & 0xFF:
            break
        same.append((place, byte))
    return same


def _judge(lane: Lane, word: int, free_bits: int, least: int, most: int) -> tuple[bool, bool]:
    """Whether all words that begin like this one are within, and whether all are outside. They have one sign."""
    low, high = sorted(turn(lane, end, is_code=False) for end in (word, word | (1 << free_bits) - 1))
    return least <= low and high <= most, high < least or low > most
