"""Sizes are equal where their canonical texts are, and those always have the same value."""

from __future__ import annotations

import random

import pytest

from ostiary.core.function_limits import MAX_SIZE_CHARACTERS, MAX_SIZE_DEGREE, MAX_SIZE_DEPTH, MAX_SIZE_TERMS
from ostiary.graph.parse_size import parse_size_text
from ostiary.graph.scope import Scope
from ostiary.graph.sizes import Size, SizeError, dim, evaluate_size, list_dims, multiply_sizes

H, W, B = dim("h"), dim("w"), dim("batch")
NAMES = ("batch", "h", "w")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (B * 4, "4*batch"),
        (B * W + 1, "batch*w+1"),
        (7 - H, "-h+7"),
        (H - W - 1, "h-w-1"),
        ((2 * H + 2) // 2, "h+1"),
        ((2 * H + 3) // 2, "h+1"),
        ((2 * H + 2) // 4, "((h+1)//2)"),
        ((2 * H + 1) // 4, "((h)//2)"),
        ((H - 3) // 2 + 1, "((h+1)//2)-1"),
        (((H + 1) // 2 + 1) // 2, "((h+3)//4)"),
        (((H - 1) // 2) * ((W - 1) // 2), "((h+1)//2)*((w+1)//2)-((h+1)//2)-((w+1)//2)+1"),
        (H * H * 2, "2*h*h"),
        (H // 1, "h"),
        (-H, "-h"),
    ],
)
def test_there_is_one_spelling(size: Size, text: str) -> None:
    assert str(size) == text
    assert parse_size_text(text, NAMES) == size


def test_what_cancels_is_a_number() -> None:
    assert H - H == 0
    assert (H + 3) - H == 3
    assert H * 0 == 0
    assert (6 * H) // 3 - 2 * H == 0
    assert multiply_sizes(()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        "h+h",
        "h*4",
        "1+h",
        "w*batch",
        "+h",
        "h-",
        "h+",
        "2**h",
        "0*h",
        "1*h",
        "01*h",
        "h//2",
        "((h)//0)",
        "((h)//1)",
        "((h)//h)",
        "((h)//2",
        "(h)//2",
        "(h//2)",
        "((h",
        "(h",
        "(h)",
        "((h))",
        "h)",
        "((2*h)//2)",
        "((h+2)//2)",
        "((((h)//2))//2)",
        "--h",
        "h - 1",
        "H",
        "h\n",
        "\uff48",
        "other",
        "9999999999999999999*h",
        "((h)//9999999999999999999999)",
        "-0",
        "h+0",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(SizeError):
        parse_size_text(text, NAMES)


def test_sizes_cannot_grow_without_end() -> None:
    with pytest.raises(SizeError, match="longer"):
        parse_size_text("h+" * MAX_SIZE_CHARACTERS, NAMES)
    product: Size = H
    for _ in range(MAX_SIZE_DEGREE - 1):
        product = product * H
    with pytest.raises(SizeError, match="multiplies"):
        _ = product * H
    nested: Size = H
    for step in range(MAX_SIZE_DEPTH):
        nested = (nested * 2 + W) // (step + 3)
    with pytest.raises(SizeError, match="nests"):
        _ = (nested * 2 + W) // 9
    with pytest.raises(SizeError, match="64 bits"):
        _ = H * (1 << 62) * 4
    total: Size = 0
    for number in range(MAX_SIZE_TERMS):
        total = total + dim(f"d{number}")
    with pytest.raises(SizeError, match="terms"):
        _ = total + dim("d")
    with pytest.raises(SizeError, match="below 1"):
        _ = H // 0
    with pytest.raises(SizeError, match="nests"):
        parse_size_text("(" * 100 + "h", NAMES)


def test_arithmetic_is_that_of_numbers() -> None:
    chance = random.Random(7)  # noqa: S311
    for _ in range(400):
        values = {name: chance.randint(1, 40) for name in NAMES}
        size, number = _grow(chance, values)
        assert evaluate_size(size, values) == number, size
        if not isinstance(size, int):
            assert parse_size_text(size.text, NAMES) == size
            assert list_dims(size) <= set(NAMES)


def test_bounds_hold_what_sizes_are() -> None:
    chance = random.Random(8)  # noqa: S311
    for _ in range(200):
        ends = {name: (low := chance.randint(1, 5), low + chance.randint(0, 3)) for name in NAMES}
        values = {name: chance.randint(*ends[name]) for name in NAMES}
        size, number = _grow(chance, values)
        low, high = Scope(dict(ends)).bound(size)
        assert low is not None
        assert high is not None
        assert low <= number <= high
        open_low, open_high = Scope({name: (end[0], None) for name, end in ends.items()}).bound(size)
        assert open_low is None or open_low <= number
        assert open_high is None or number <= open_high


def test_what_is_surely_below_is_so_for_all() -> None:
    scope = Scope({"h": (3, None), "w": (1, 4)})
    assert scope.is_surely_below(2, 3)
    assert scope.is_surely_below(W, 5)
    assert not scope.is_surely_below(W, 4)
    assert scope.is_surely_below(H, H + 1)
    assert not scope.is_surely_below(H, H)
    assert scope.is_surely_below(2, H)
    assert not scope.is_surely_below(H, 10)
    assert scope.is_surely_below(-H, 0)


def _grow(chance: random.Random, values: dict[str, int]) -> tuple[Size, int]:
    """A size made by a few steps, and the number that the same steps make of numbers."""
    name = chance.choice(NAMES)
    size: Size = dim(name)
    number = values[name]
    for _ in range(chance.randint(0, 6)):
        other_name, plain = chance.choice(NAMES), chance.randint(1, 6)
        by_dim = chance.random() < 0.4
        other: Size = dim(other_name) if by_dim else plain
        other_number = values[other_name] if by_dim else plain
        before = size, number
        try:
            match chance.randint(0, 3):
                case 0:
                    size, number = size + other, number + other_number
                case 1:
                    size, number = size - other, number - other_number
                case 2:
                    size, number = size * other, number * other_number
                case 3:
                    size, number = size // plain, number // plain
        except SizeError:
            size, number = before
    return size, number
