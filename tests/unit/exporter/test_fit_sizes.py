"""Numbers that were seen at several sizes become the size that they follow, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.exporter.fit_sizes import SizeFitter
from ostiary.graph.sizes import Size, dim, evaluate_size

BATCH, LENGTH, HEIGHT = dim("batch"), dim("length"), dim("height")
FIRST = {"batch": (3, 20, 40, 61, 78), "length": (10, 27, 47, 68, 85), "height": (14, 31, 51, 72, 89)}


def make(*names: str) -> tuple[SizeFitter, list[dict[str, int]]]:
    """As traces are made: each dim alone once, and all together three times."""
    base = {name: FIRST[name][0] for name in names}
    bindings = [base, *({**base, name: FIRST[name][1]} for name in names)]
    bindings += [{name: FIRST[name][place] for name in names} for place in (2, 3, 4)]
    return SizeFitter(bindings), bindings


def look(size: Size, *names: str, known: tuple[Size, ...] = (), near: tuple[Size, ...] = ()) -> Size | None:
    fitter, bindings = make(*names)
    for item in known:
        fitter.note(item)
    return fitter.express(tuple(evaluate_size(size, binding) for binding in bindings), near)


@pytest.mark.parametrize(
    "size",
    [
        7,
        0,
        BATCH,
        4 * BATCH,
        2 * LENGTH + 1,
        LENGTH - 3,
        BATCH * LENGTH,
        6 * BATCH * LENGTH,
        BATCH * LENGTH * HEIGHT,
        LENGTH // 2,
        (LENGTH + 1) // 2,
        (HEIGHT + 3) // 4 + 2,
        BATCH + LENGTH,
        HEIGHT - LENGTH + 5,
    ],
    ids=str,
)
def test_a_size_is_found_again(size: Size) -> None:
    assert look(size, "batch", "height", "length") == size


def test_a_quotient_of_what_the_operation_has_comes_before_one_of_a_dim() -> None:
    half = (HEIGHT - 2) // 2
    assert look(half // 2, "height", known=(half,), near=(half,)) == half // 2


def test_products_of_known_sizes_are_found() -> None:
    half = (HEIGHT + 1) // 2
    assert look(BATCH * half * 8, "batch", "height", known=(half,)) == 8 * BATCH * half


@pytest.mark.parametrize("seen", [(1, 2, 4, 8, 17), (5, 5, 5, 5, 6), (-3, 9, 1, 0, 2)])
def test_what_is_none_of_them_is_nothing(seen: tuple[int, ...]) -> None:
    fitter, _ = make("length")
    assert fitter.express(seen) is None


@given(
    st.lists(st.integers(-(1 << 40), 1 << 40), min_size=5, max_size=5),
    st.lists(st.integers(1, 1 << 20), min_size=5, max_size=5),
)
def test_whatever_is_found_agrees_with_all_that_was_seen(seen: list[int], sizes: list[int]) -> None:
    fitter = SizeFitter([{"n": size} for size in sizes])
    found = fitter.express(tuple(seen))
    if found is not None:
        assert [evaluate_size(found, {"n": size}) for size in sizes] == seen


@given(st.integers(1, 9), st.integers(-9, 9), st.sampled_from((1, 2, 3, 4, 8, 16)))
def test_what_layers_make_of_a_size_is_found_exactly(factor: int, offset: int, by: int) -> None:
    size = factor * (LENGTH // by) + offset
    assert look(size, "batch", "length", known=(LENGTH // by,)) == size
