"""The order of versions is total, strict and the documented one."""

from __future__ import annotations

import itertools

import pytest

from ostiary.errors import TrustRefused
from ostiary.trust.version import parse_version

RISING = ["0", "0.0.1", "0.9", "0.10", "1.0-alpha", "1.0-alpha.1", "1.0-alpha.beta", "1.0-beta", "1.0-beta.2"]
RISING += ["1.0-beta.11", "1.0-rc.1", "1", "1.0.0.0.0.1", "1.1", "2", "10", "2024.11.3", "9999999999"]


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(RISING)))
def test_each_is_older_than_the_next(older: str, newer: str) -> None:
    assert parse_version(older) < parse_version(newer)
    assert not parse_version(newer) <= parse_version(older)


def test_missing_numbers_are_zeros() -> None:
    assert parse_version("1") == parse_version("1.0.0")
    assert hash(parse_version("1")) == hash(parse_version("1.0.0"))
    assert str(parse_version("1.0")) == "1.0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1",
        "1.",
        ".1",
        "01",
        "1.02",
        "1..2",
        "1.2.3.4.5.6.7",
        "1+build",
        "1.0-",
        "1.0-01",
        "1.0-a..b",
        "1 ",
        " 1",
        "1\n",
        "latest",
        "1,2",
        "-1",
        "+1",
        "\u0661",
        "1\u0660",
        "1e5",
        "10000000000" * 2,
        "1." * 40,
        "1.0-" + "a" * 64,
    ],
)
def test_what_two_programs_could_order_differently_is_refused(text: str) -> None:
    with pytest.raises(TrustRefused) as refused:
        parse_version(text)
    assert refused.value.code == "TRUST_MALFORMED"
