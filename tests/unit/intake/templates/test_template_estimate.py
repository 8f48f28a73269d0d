from __future__ import annotations

from typing import Any

import pytest

from ostiary.core.limits import MAX_TEMPLATE_GROWTH
from ostiary.errors import IntakeRefused
from ostiary.intake.templates.template_estimate import (
    UNKNOWN,
    Estimate,
    Kind,
    add,
    calculate,
    estimate_of,
    estimate_range,
    join_texts,
    multiply,
    power,
)
from ostiary.intake.templates.template_functions import estimate_format, estimate_method


def values(*given: Any) -> list[Estimate]:
    return [estimate_of(value) for value in given]


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (join_texts(values("a", 1, None)), "a1None"),
        (add(*values("a", "b")), "ab"),
        (add(*values(1, 2)), 3),
        (add(*values([1], [2])), [1, 2]),
        (multiply(*values(3, "ab")), "ababab"),
        (multiply(*values([1], 2)), [1, 1]),
        (multiply(*values(3, 4)), 12),
        (calculate("//", *values(7, 2)), 3),
        (power(*values(2, 10)), 1024),
        (estimate_method("join", estimate_of(["a", "b"]), values("-"), {}), "a-b"),
        (estimate_method("join", estimate_of("-"), values(["a", "b"]), {}), "a-b"),
        (estimate_method("replace", estimate_of("aba"), values("a", "cc"), {}), "ccbcc"),
        (estimate_method("title", estimate_of("ab"), [], {}), "Ab"),
        (estimate_method("last", estimate_of([1, 2]), [], {}), 2),
        (estimate_format(estimate_of("%s-%s"), values("a", 1), is_percent=True), "a-1"),
        (estimate_format(estimate_of("{1}{0}"), values("a", "b"), is_percent=False), "ba"),
    ],
)
def test_what_is_known(estimate: Estimate, expected: object) -> None:
    assert estimate.is_known
    assert estimate.value == expected


@pytest.mark.parametrize(
    "estimate",
    [
        add(UNKNOWN, estimate_of(1)),
        calculate("/", *values(1, 0)),
        calculate("%", *values(1, 0)),
        power(*values(0, -1)),
        power(*values(-8, 0.5)),
        power(*values(1e300, 5)),
        estimate_format(estimate_of("%d"), values("a"), is_percent=True),
        estimate_format(estimate_of("{5}"), values("a"), is_percent=False),
    ],
)
def test_what_is_not(estimate: Estimate) -> None:
    assert not estimate.is_known


def test_lengths_of_ranges() -> None:
    assert estimate_range(values(10)).size == 10
    assert estimate_range(values(2, 10, 3)).size == 3
    assert estimate_range(values(10, 2, -1)).size == 8
    assert estimate_range(values(5, 1)).size == 0
    assert estimate_range([UNKNOWN]).size == 0
    assert estimate_range(values(1, 2, 0)).size == 0


def test_sizes_add_up_where_values_are_unknown() -> None:
    text = join_texts([UNKNOWN, estimate_of("abc")])
    assert (text.kind, text.is_known, text.size, text.times) == (Kind.TEXT, False, 3, 1)
    assert multiply(text, estimate_of(10)).size == 30


def test_repeating_what_is_given_is_counted() -> None:
    text = Estimate(Kind.TEXT)
    while text.times < MAX_TEMPLATE_GROWTH / 2:
        text = join_texts([text, text])
    with pytest.raises(IntakeRefused):
        join_texts([text, text])


@pytest.mark.parametrize("exponent", [10**6, 10**400])
def test_powers_without_end(exponent: int) -> None:
    with pytest.raises(IntakeRefused):
        power(estimate_of(3), Estimate(Kind.NUMBER, True, exponent))
    assert power(estimate_of(1), Estimate(Kind.NUMBER, True, 10**6)).value == 1
