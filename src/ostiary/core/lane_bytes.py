"""Whether all numbers of a piece lie within bounds, by as little of them as tells it: upper bytes first. Pure.

Bytes of one place are taken out of all numbers at once, and translated into what they say: this one is within
whatever follows; this one is outside; this one is at an edge, and the next byte tells. Of edges there are two at
most, each with a bit of its own, so that one AND of two long integers asks all numbers of a piece at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from ostiary.core.lane_codes import Lane, turn
from ostiary.core.values import dataclass

_OUTSIDE: Final = 0x80


class Column(NamedTuple):
    """The bytes of one place in all numbers, for those that are at an edge so far."""

    place: int
    beyond: bytes
    """By byte: the bits of those edges that it is outside of, and the bit of what was outside before."""
    at_edge: bytes
    """By byte: the bits of those edges that it is still at."""


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
    further: tuple[Column, ...]
    """Those below it, as far as there is an edge. What is at one until the end is the bound itself."""

    def is_within(self, piece: bytes) -> bool:
        """Whether every number of it is."""
        count = len(piece) // self.step
        for place, byte in self.same:
            if piece[place :: self.step] != bytes((byte,)) * count:
                return False
        if self.place < 0:
            return True
        told = piece[self.place :: self.step].translate(self.first)
        if told == bytes(count):
            return True
        if not self.further:
            return False
        open_ones = int.from_bytes(told, "little")
        for column in self.further:
            found = piece[column.place :: self.step]
            if open_ones & int.from_bytes(found.translate(column.beyond), "little"):
                return False
            open_ones &= int.from_bytes(found.translate(column.at_edge), "little")
            if not open_ones:
                break
        return True


@lru_cache(maxsize=64)
def find_look(lane: Lane, least: int, most: int) -> Look:
    """`least` and `most` are codes, the first not above the second."""
    same = _find_same(lane, least, most)
    place = lane.bytes - 1 - len(same)
    if place < 0:
        return Look(lane.bytes, tuple(same), place, b"", ())
    head = 0
    for at, byte in same:
        head |= byte << 8 * at
    first = bytearray(256)
    edges: dict[int, int] = {}
    for byte in range(256):
        word = head | byte << 8 * place
        is_within, is_outside = _judge(lane, word, 8 * place, least, most)
        if is_outside:
            first[byte] = _OUTSIDE
        elif not is_within:
            first[byte] = mark = 1 << len(edges)
            edges[mark] = word
    return Look(lane.bytes, tuple(same), place, bytes(first), tuple(_list_columns(lane, place, edges, least, most)))


def _list_columns(lane: Lane, above: int, edges: dict[int, int], least: int, most: int) -> Iterator[Column]:
    """`edges`: the bytes of each down to `above`, by its bit."""
    for place in range(above - 1, -1, -1):
        if not edges:
            return
        beyond, at_edge = bytearray([_OUTSIDE]) * 256, bytearray(256)
        left: dict[int, int] = {}
        for mark, start in edges.items():
            for byte in range(256):
                word = start | byte << 8 * place
                is_within, is_outside = _judge(lane, word, 8 * place, least, most)
                if is_outside:
                    beyond[byte] |= mark
                elif not is_within:
                    at_edge[byte] |= mark
                    left[mark] = word
        edges = left
        yield Column(place, bytes(beyond), bytes(at_edge))


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
