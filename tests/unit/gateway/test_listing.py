"""Pages of models, as Anthropic's clients turn them."""

from __future__ import annotations

import pytest

from ostiary.errors import GatewayRefused
from ostiary.gateway.listing import ModelInfo, _take_page

MODELS = [ModelInfo(name, name, "2027-01-01T00:00:00Z") for name in "abcde"]


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ({}, "abcde", False),
        ({"limit": "5"}, "abcde", False),
        ({"limit": "1000"}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"limit": "2", "after_id": "c"}, "de", False),
        ({"after_id": "e"}, "", False),
        ({"limit": "2", "before_id": "d"}, "bc", True),
        ({"limit": "2", "before_id": "c"}, "ab", False),
        ({"before_id": "a"}, "", False),
    ],
)
def test_a_page(query: dict[str, str], ids: str, *, has_more: bool) -> None:
    page = _take_page(MODELS, query)
    assert "".join(info.id for info in page.data) == ids
    assert page.has_more is has_more
    assert (page.first_id, page.last_id) == ((ids[0], ids[-1]) if ids else (None, None))


def test_where_nothing_is_served_a_page_is_empty() -> None:
    assert _take_page([], {"limit": "1"}).data == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "\u0665"}, "limit"),
        ({"limit": "9" * 5_000}, "limit"),
        ({"after_id": "z"}, "after_id"),
        ({"before_id": ""}, "before_id"),
        ({"before_id": "a", "after_id": "b"}, "before_id"),
    ],
)
def test_a_page_that_cannot_be(query: dict[str, str], field: str) -> None:
    with pytest.raises(GatewayRefused) as refused:
        _take_page(MODELS, query)
    assert (refused.value.code, refused.value.field) == ("GATEWAY_QUERY", field)
