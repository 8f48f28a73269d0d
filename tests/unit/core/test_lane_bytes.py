"""Bytes of one place of all numbers at once: right about every number of two bytes, and near every bound of wider ones."""

from __future__ import annotations

import random

import pytest

from ostiary.core.lane_bytes import find_look
from ostiary.core.lane_codes import LANES, Lane, finite_codes, turn

WIDE = [name for name, lane in LANES.items() if lane.bytes > 2]
NARROW = [name for name, lane in LANES.items() if lane.bytes <= 2]


def write(lane: Lane, *codes: int) -> bytes:
    return b"".join(turn(lane, code, is_code=True).to_bytes(lane.bytes, "little") for code in codes)


def draw_bounds(lane: Lane, dice: random.Random) -> tuple[int, int]:
    """Some far apart, some close together, some at the ends."""
    first, last = finite_codes(lane)
    match dice.randrange(5):
        case 0:
            return first, last
        case 1:
            least = dice.randint(first, last)
            return least, min(last, least + dice.randrange(1 << dice.randrange(lane.bits)))
        case 2:
            middle = 1 << (lane.bits - 1)  # where the sign changes
            return max(first, middle - dice.randrange(1 << 7)), min(last, middle + dice.randrange(1 << 7))
        case 3:
            return first, dice.randint(first, last)
        case _:
            least, most = sorted((dice.randint(first, last), dice.randint(first, last)))
            return least, most


@pytest.mark.parametrize("datatype", NARROW)
def test_of_two_bytes_or_one_it_is_right_about_every_number(datatype: str) -> None:
    lane, dice = LANES[datatype], random.Random(7)  # noqa: S311  no secret
    for _ in range(12):
        least, most = draw_bounds(lane, dice)
        look = find_look(lane, least, most)
        for code in range(1 << lane.bits):
            assert look.is_within(write(lane, code)) == (least <= code <= most), (least, most, code)


@pytest.mark.parametrize("datatype", WIDE)
def test_of_more_bytes_it_is_right_near_every_bound(datatype: str) -> None:
    lane, dice = LANES[datatype], random.Random(datatype)  # noqa: S311
    top = (1 << lane.bits) - 1
    steps = [sign * ((1 << shift) + less) for shift in range(lane.bits) for sign in (-1, 1) for less in (-1, 0, 1)]
    for _ in range(60):
        least, most = draw_bounds(lane, dice)
        look = find_look(lane, least, most)
        near = {end + step for end in (least, most) for step in (0, *steps)} | {0, top, dice.randint(0, top)}
        codes = sorted(code for code in near if 0 <= code <= top)
        within = [code for code in codes if least <= code <= most]
        assert look.is_within(write(lane, *within)), (least, most)
        for code in codes:
            assert look.is_within(write(lane, code)) == (least <= code <= most), (least, most, code)
            assert look.is_within(write(lane, least, code, most)) == (least <= code <= most), (least, most, code)


@pytest.mark.parametrize("datatype", [name for name, lane in LANES.items() if lane.kind == "float"])
def test_whether_all_is_finite(datatype: str) -> None:
    lane, dice = LANES[datatype], random.Random(3)  # noqa: S311
    first, last = finite_codes(lane)
    look = find_look(lane, first, last)
    codes = [
        first,
        first + 1,
        last - 1,
        last,
        1 << (lane.bits - 1),
        *(dice.randint(first, last) for _ in range(500)),
    ]
    assert look.is_within(write(lane, *codes))
    for code in (0, first - 1, last + 1, (1 << lane.bits) - 1):
        assert not look.is_within(write(lane, *codes, code))


def test_nothing_is_within_any_bounds() -> None:
    assert find_look(LANES["INT64"], 5, 5).is_within(b"")
