"""A model comes from a place or it does not; odd spellings of places lie nowhere."""

from __future__ import annotations

import pytest

from ostiary.errors import TrustRefused
from ostiary.trust.sources import parse_source

INSIDE = [
    ("/srv/models", "/srv/models"),
    ("/srv/models", "/srv/models/acme/llama"),
    ("/", "/anywhere"),
    ("hub:acme/*", "hub:acme/llama"),
    ("hub:acme/llama", "hub:acme/llama"),
    ("https://mirror.example/models/", "https://mirror.example/models/acme/llama"),
    ("https://mirror.example/", "https://mirror.example/a/"),
    ("https://mirror.example:8443/m/", "https://mirror.example:8443/m/x"),
    ("anywhere", "/x"),
    ("anywhere", "hub:a/b"),
    ("anywhere", ""),
]
OUTSIDE = [
    ("/srv/models", "/srv/models-of-others/x"),
    ("/srv/models", "/srv/models/../../etc"),
    ("/srv/models", "/srv/models//x"),
    ("/srv/models", "/srv/models/./x"),
    ("/srv/models", "srv/models/x"),
    ("/srv/models", ""),
    ("/", "relative"),
    ("/", "hub:acme/llama"),
    ("hub:acme/*", "hub:acme2/llama"),
    ("hub:acme/*", "hub:acme/../evil/x"),
    ("hub:acme/*", "acme/llama"),
    ("hub:acme/llama", "hub:acme/llama-2"),
    ("https://mirror.example/models/", "https://mirror.example/models/"),
    ("https://mirror.example/models/", "https://mirror.example/models/../x"),
    ("https://mirror.example/models/", "https://mirror.example/models/%2e%2e/x"),
    ("https://mirror.example/models/", "https://mirror.example.evil/models/x"),
    ("https://mirror.example/models/", "http://mirror.example/models/x"),
    ("https://mirror.example/models/", "https://user@mirror.example/models/x"),
    ("https://mirror.example/", "https://mirror.example/x?y"),
    ("https://mirror.example/", "https://mirror.example/x#y"),
]


@pytest.mark.parametrize(("source", "place"), INSIDE)
def test_inside(source: str, place: str) -> None:
    assert parse_source(source).admits(place)


@pytest.mark.parametrize(("source", "place"), OUTSIDE)
def test_outside(source: str, place: str) -> None:
    assert not parse_source(source).admits(place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models",
        "./models",
        "~/models",
        "/srv/models/",
        "/srv/../etc",
        "/srv//x",
        "hub:",
        "hub:a b",
        "hub:*/x",
        "http://mirror.example/",
        "https://mirror.example",
        "https://Mirror.example/",
        "https://m.example/a",
        "https:///",
        "https://m.example/a/../b/",
        "https://u@m.example/",
        "https://m.example/?x/",
        "file:///srv/",
        "s3://x/",
        "Anywhere",
    ],
)
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(TrustRefused):
        parse_source(text)
