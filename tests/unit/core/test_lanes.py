"""Bounds on numbers, many at once: against Python's own comparison of each, and at every edge of each datatype."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import pytest

from ostiary.core.lanes import (
    LANES,
    Lane,
    decode,
    find_not_allowed,
    find_not_finite,
    find_outside,
    round_half,
    write_ends,
    write_infinity,
    write_nan,
    write_next,
    write_numbers,
)

FORMS = {
    "BOOL": "B",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
}
LONG = 1 << 15


def _pack(datatype: str, values: list[Any]) -> memoryview:
    return memoryview(struct.pack(f"<{len(values)}{FORMS[datatype]}", *values))


def _edges(lane: Lane) -> list[float]:
    if lane.kind == "unsigned":
        return [0, 1, 2, (1 << lane.bits - 1) - 1, 1 << lane.bits - 1, (1 << lane.bits) - 1]
    if lane.kind == "signed":
        return [-(1 << lane.bits - 1), -2, -1, 0, 1, (1 << lane.bits - 1) - 1]
    return [-math.inf, -2.5, -1.0, -0.0, 0.0, 1.0, 2.5, math.inf, math.nan]


def _first(values: list[Any], is_kept: Any) -> int | None:
    return next((place for place, value in enumerate(values) if not is_kept(value)), None)


@pytest.mark.parametrize("datatype", FORMS)
def test_every_edge_against_every_edge(datatype: str) -> None:
    lane = LANES[datatype]
    edges = _edges(lane)
    bounds = [edge for edge in edges if math.isfinite(edge)]
    for low in bounds:
        for high in bounds:
            for value in edges:
                data = _pack(datatype, [value])
                wanted = None if low <= value <= high else 0
                assert find_outside(data, lane, low, high) == wanted, (low, value, high)


@pytest.mark.parametrize("datatype", FORMS)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 8, LONG // 8 + 3])
def test_the_first_of_many_is_found_wherever_it_is(datatype: str, length: int) -> None:
    lane = LANES[datatype]
    dice = random.Random(length)  # noqa: S311  no secret
    edges = [edge for edge in _edges(lane) if math.isfinite(edge)]
    low, high = edges[1], edges[-2]
    honest = [value for value in edges if low <= value <= high]
    for _ in range(6):
        values = [dice.choice(honest) for _ in range(length)]
        assert find_outside(_pack(datatype, values), lane, low, high) is None
        if values:
            place = dice.randrange(length)
            values[place] = edges[dice.choice([0, -1])]
            assert find_outside(_pack(datatype, values), lane, low, high) == place


def test_one_bound_alone_still_keeps_out_what_is_no_number() -> None:
    lane = LANES["FP32"]
    assert find_outside(_pack("FP32", [1e30, 5.0]), lane, 5.0, None) is None
    assert find_outside(_pack("FP32", [-1e30, 5.0]), lane, None, 5.0) is None
    for value in (math.nan, -math.nan, math.inf, -math.inf):
        assert find_outside(_pack("FP32", [value]), lane, None, None) == 0


def test_bounds_between_two_numbers_of_the_datatype() -> None:
    lane = LANES["FP32"]
    tenth = struct.unpack("<f", struct.pack("<f", 0.1))[0]  # a little above 0.1
    assert find_outside(_pack("FP32", [0.1]), lane, 0.0, 0.1) == 0
    assert find_outside(_pack("FP32", [0.1]), lane, 0.0, tenth) is None
    assert find_outside(_pack("INT8", [0]), LANES["INT8"], 0.5, 0.9) == 0
    assert find_outside(_pack("INT8", []), LANES["INT8"], 0.5, 0.9) is None
    assert find_outside(_pack("UINT8", [0, 255]), LANES["UINT8"], -1e9, 1e9) is None


@pytest.mark.parametrize(("datatype", "size"), [("FP16", 2), ("BF16", 2), ("FP32", 4)])
def test_what_is_not_finite(datatype: str, size: int) -> None:
    lane = LANES[datatype]
    for length in (1, 3, LONG + 5):
        for pattern in (b"\xff" * size, b"\0" * (size - 1) + b"\xff", _infinity(datatype)):
            assert find_not_finite(memoryview(b"\0" * size * length), lane) is None
            data = memoryview(b"\x11" * size * (length - 1) + pattern)
            assert find_not_finite(data, lane) == length - 1 or math.isfinite(decode(lane, pattern))
    greatest = (int.from_bytes(_infinity(datatype), "little") - 1).to_bytes(size, "little")
    assert find_not_finite(memoryview(greatest), lane) is None


def _infinity(datatype: str) -> bytes:
    return {"FP16": b"\0\x7c", "BF16": b"\x80\x7f", "FP32": b"\0\0\x80\x7f"}[datatype]


def test_integers_are_always_finite() -> None:
    assert find_not_finite(memoryview(b"\xff" * 8), LANES["INT64"]) is None


@pytest.mark.parametrize("datatype", FORMS)
def test_allowed_numbers(datatype: str) -> None:
    lane = LANES[datatype]
    assert find_not_allowed(_pack(datatype, [0, 1, 1, 0]), lane, (0, 1)) is None
    assert find_not_allowed(_pack(datatype, [1] * LONG + [2]), lane, (0, 1)) == LONG
    assert find_not_allowed(_pack(datatype, []), lane, (7,)) is None
    assert find_not_allowed(_pack(datatype, [1]), lane, (1e300,)) == 0


def test_allowed_floats_are_rounded_as_the_tensor_is() -> None:
    assert find_not_allowed(_pack("FP32", [0.1, -0.0]), LANES["FP32"], (0.1, 0.0)) is None
    assert find_not_allowed(_pack("FP32", [math.nan]), LANES["FP32"], (0.1,)) == 0
    third = round_half(int.from_bytes(struct.pack("<f", 1 / 3), "little")).to_bytes(2, "little")
    assert find_not_allowed(memoryview(third), LANES["BF16"], (1 / 3,)) is None


def test_rounding_to_the_nearest_half() -> None:
    def rounded(value: float) -> float:
        word = int.from_bytes(struct.pack("<f", value), "little")
        return decode(LANES["BF16"], round_half(word).to_bytes(2, "little"))

    assert rounded(1.0) == 1.0
    assert rounded(1 + 2**-8) == 1.0  # a tie goes to the even one
    assert rounded(1 + 3 * 2**-8) == 1 + 2**-6
    assert rounded(3.4e38) == math.inf
    assert math.isnan(rounded(math.nan))


@pytest.mark.parametrize("datatype", LANES)
@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.1, 2.7), (-3, 5), (None, 7), (2, None), (None, None), (-0.0, 0.0)]
)
def test_ends_are_the_last_within_and_the_first_past(datatype: str, low: float | None, high: float | None) -> None:
    lane = LANES[datatype]
    ends = write_ends(lane, low, high)
    assert ends is not None
    for word in (ends.least, ends.most):
        assert find_outside(memoryview(word), lane, low, high) is None
    for past in (ends.below, ends.above):
        if past is not None:
            assert find_outside(memoryview(past), lane, low, high) == 0
            assert find_not_finite(memoryview(past), lane) is None
    assert ends.above == write_next(lane, ends.most)
    if ends.below is not None:
        assert write_next(lane, ends.below) == ends.least


def test_the_ends_of_a_datatype_have_nothing_past_them() -> None:
    for lane in LANES.values():
        ends = write_ends(lane, None, None)
        assert ends is not None
        assert (ends.below, ends.above, write_next(lane, ends.most)) == (None, None, None)
    assert write_ends(LANES["INT8"], 128, 200) is None
    assert write_ends(LANES["FP16"], 0.1, 0.100001) is None


def test_numbers_are_written_as_they_are_read() -> None:
    assert [word.hex() for word in write_numbers(LANES["FP32"], 1.5)] == ["0000c03f"]
    assert [word.hex() for word in write_numbers(LANES["BF16"], 0.0)] == ["0000", "0080"]
    assert write_numbers(LANES["INT8"], 128) == ()
    assert decode(LANES["INT16"], write_numbers(LANES["INT16"], -2)[0]) == -2


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32"])
def test_what_is_not_finite_is_written_as_such(datatype: str) -> None:
    lane = LANES[datatype]
    assert decode(lane, write_infinity(lane)) == math.inf
    assert math.isnan(decode(lane, write_nan(lane)))


@pytest.mark.parametrize("datatype", ["FP32", "INT32", "INT64", "UINT64"])
def test_numbers_that_only_their_last_byte_keeps_out_are_found_in_any_piece(datatype: str) -> None:
    """Where all others are at the bound itself, and every byte has to be asked."""
    lane = LANES[datatype]
    high = decode(lane, write_numbers(lane, 1.0)[0])
    most = write_numbers(lane, high)[0]
    beyond = write_next(lane, most)
    assert beyond is not None
    for pieces in (1, 3, 40):
        count = pieces * LONG // lane.bytes + 1
        honest = most * count
        assert find_outside(memoryview(honest), lane, 0, high) is None
        for place in (0, count // 2, count - 1):
            data = honest[: place * lane.bytes] + beyond + honest[(place + 1) * lane.bytes :]
            assert find_outside(memoryview(data), lane, 0, high) == place
