"""Checks of numbers and lists; those of arrays are in tests/conformance, as they need MLX."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.limits import MAX_INPUT_DEPTH, MAX_INPUT_ITEMS
from ostiary.embed import Check, finite, indices, shape, token_ids
from ostiary.embed.checks import Unfit
from ostiary.errors import Misuse


def nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (token_ids(5), [0, 4, (1, [2])]),
        (token_ids(5), []),
        (token_ids(5), 3),
        (indices(1), [0]),
        (finite(), [1, 2.5, [1 + 2j]]),
        (finite(), 1 << 4000),
        (token_ids(2), nest(MAX_INPUT_DEPTH)),
    ],
)
def test_what_fits(check: Check, value: object) -> None:
    check(value)


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (token_ids(5), [0, 5], "a token id outside of a vocabulary of 5"),
        (token_ids(5), [-1], "outside of a vocabulary"),
        (indices(5), [1 << 70], "an index outside of a table of 5"),
        (token_ids(5), [True], "no whole number"),
        (token_ids(5), [1.0], "no whole number"),
        (token_ids(5), "12", "no whole number"),
        (token_ids(5), None, "no whole number"),
        (finite(), [1.0, [math.nan]], "not finite"),
        (finite(), math.inf, "not finite"),
        (finite(), complex(0, math.inf), "not finite"),
        (finite(), ["1"], "no number"),
        (token_ids(2), nest(MAX_INPUT_DEPTH + 1), "nested deeper"),
        (token_ids(2), nest(100_000), "nested deeper"),
        (shape(1), [1], "no array"),
    ],
)
def test_what_does_not(check: Check, value: object, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        check(value)


def test_a_list_that_never_ends() -> None:
    rows: list[Any] = [0] * 1000
    with pytest.raises(Unfit, match="too long"):
        token_ids(2)([rows] * (MAX_INPUT_ITEMS // 1000 + 1))


def test_a_list_within_itself() -> None:
    rows: list[Any] = [0]
    rows.append(rows)
    with pytest.raises(Unfit, match="nested deeper"):
        token_ids(2)(rows)


@pytest.mark.parametrize("make", [token_ids, indices])
@pytest.mark.parametrize("size", [0, -1, True])
def test_a_size_that_is_none(make: Any, size: int) -> None:
    with pytest.raises(Misuse):
        make(size)
    with pytest.raises(Misuse):
        shape(-1)


@given(
    st.recursive(st.integers() | st.floats() | st.text(max_size=3) | st.none(), lambda s: st.lists(s, max_size=4))
)
def test_any_lists(value: object) -> None:
    def flat(item: object) -> list[object]:
        return [x for each in item for x in flat(each)] if isinstance(item, list) else [item]

    fits = all(isinstance(item, int) and 0 <= item < 9 for item in flat(value))
    try:
        token_ids(9)(value)
    except Unfit:
        assert not fits
    else:
        assert fits
