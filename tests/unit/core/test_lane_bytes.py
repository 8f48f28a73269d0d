"""A glance at upper bytes is never sure of a piece that holds a number outside; and sure of most that hold none."""

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
            assert look.is_surely_within(write(lane, code)) == (least <= code <= most), (least, most, code)


@pytest.mark.parametrize("datatype", WIDE)
def test_it_is_never_sure_of_what_is_outside(datatype: str) -> None:
    lane, dice = LANES[datatype], random.Random(datatype)  # noqa: S311
    top = (1 << lane.bits) - 1
    for _ in range(300):
        least, most = draw_bounds(lane, dice)
        look = find_look(lane, least, most)
        near = [
            end + step for end in (least, most) for step in (-(1 << 9), -257, -256, -2, -1, 1, 2, 255, 256, 1 << 17)
        ]
        outside = [code for code in (*near, 0, top, dice.randint(0, top)) if 0 <= code <= top]
        for code in outside:
            if not least <= code <= most:
                assert not look.is_surely_within(write(lane, code)), (least, most, code)
                assert not look.is_surely_within(write(lane, least, code, most)), (least, most, code)


@pytest.mark.parametrize("datatype", WIDE)
def test_it_is_sure_of_what_two_bytes_tell(datatype: str) -> None:
    """That is: of all that differs from both bounds in the first two bytes that are not the same in all within."""
    lane, dice = LANES[datatype], random.Random(datatype)  # noqa: S311
    for _ in range(300):
        least, most = draw_bounds(lane, dice)
        look = find_look(lane, least, most)
        told = lane.bits - 8 * (len(look.same) + 2)
        inner = [dice.randint(least, most) for _ in range(20)]
        sure = [code for code in inner if told <= 0 or least >> told < code >> told < most >> told]
        assert look.is_surely_within(write(lane, *sure)), (least, most, sure)


@pytest.mark.parametrize("datatype", [name for name, lane in LANES.items() if lane.kind == "float"])
def test_whether_all_is_finite_never_needs_more_than_a_glance(datatype: str) -> None:
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
    assert look.is_surely_within(write(lane, *codes))
    for code in (0, first - 1, last + 1, (1 << lane.bits) - 1):
        assert not look.is_surely_within(write(lane, *codes, code))


def test_nothing_is_within_any_bounds() -> None:
    assert find_look(LANES["INT64"], 5, 5).is_surely_within(b"")
