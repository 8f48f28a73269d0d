"""Ids have one spelling; two patterns are apart or one lies within the other."""

from __future__ import annotations

import pytest

from ostiary.core.model_id import parse_model_id, parse_pattern
from ostiary.errors import TrustRefused


@pytest.mark.parametrize("text", ["llama", "acme/llama-3.1-8b", "a/b/c", "A_1/x__y", "acme/0"])
def test_ids_that_publishers_use(text: str) -> None:
    assert parse_model_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "a/../b",
        "..",
        "a/.",
        "a/.b",
        "a b",
        "a\n",
        "ac\u043ce/x",
        "a:b",
        "a\\b",
        "a*",
        "x" * 201,
        "a/b.",
        "-a",
        "a/-b",
        "%2e",
        "a\u200bb",
    ],
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(TrustRefused):
        parse_model_id(text)


@pytest.mark.parametrize("text", ["*", "acme/*", "acme/llama-*", "acme/llama", "a/b/*"])
def test_patterns(text: str) -> None:
    assert parse_pattern(text).text == text


@pytest.mark.parametrize("text", ["", "**", "*/x", "a*b", "acme/*/x", "/*", "a//*", "../*", "acme/.*", "[a]", "a?"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(TrustRefused):
        parse_pattern(text)


def test_a_prefix_stays_within_its_owner() -> None:
    assert parse_pattern("acme/*").matches("acme/llama/small")
    assert not parse_pattern("acme/*").matches("acme2/llama")
    assert not parse_pattern("acme/*").matches("acme")
    assert not parse_pattern("acme/llama").matches("acme/llama-2")
    assert not parse_pattern("acme/*").matches("ACME/llama")


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("*", "a/b", True),
        ("acme/*", "acme/l*", True),
        ("acme/*", "acme2/*", False),
        ("a", "a", True),
        ("a", "b", False),
        ("acme*", "acme/x", True),
        ("a/x*", "a/y*", False),
    ],
)
def test_overlap_is_symmetric(one: str, other: str, overlap: bool) -> None:
    assert parse_pattern(one).overlaps(parse_pattern(other)) is overlap
    assert parse_pattern(other).overlaps(parse_pattern(one)) is overlap
