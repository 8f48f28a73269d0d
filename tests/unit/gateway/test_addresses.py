"""Which route a path leads to, and what stands in its named parts."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.core.limits import MAX_PATH_PART_CHARACTERS
from ostiary.errors import GatewayRefused
from ostiary.gateway.addresses import Addresses
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.routes import gather_routes

ALL = Addresses(gather_routes(lambda: False))


async def answer(_asked: Any, _body: Any) -> Reply:
    return JsonReply({})


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, handle=answer, dialect=Dialect.PROBLEM, summary="")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/v1/models", {}),
        ("/v1/models/small", {"model": "small"}),
        ("/v2", {}),
        ("/v2/health/ready", {}),
        ("/v2/models/acme/small/infer", {"model": "acme/small"}),
        ("/v2/models/acme/small/versions/2/infer", {"model": "acme/small", "version": "2"}),
        ("/v2/models/small/versions/2", {"model": "small", "version": "2"}),
        ("/v2/models/infer/infer", {"model": "infer"}),
    ],
)
def test_where_a_path_leads(path: str, parts: dict[str, str]) -> None:
    assert ALL.find(path)[1] == parts


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v1",
        "/v1/models\n",
        "/v2/models/small/infer\n",
        "/V2/models/small/infer",
        "//v2/models/small/infer",
        "/v2/models/" + "x" * (MAX_PATH_PART_CHARACTERS + 1),
    ],
)
def test_what_leads_nowhere(path: str) -> None:
    with pytest.raises(GatewayRefused) as caught:
        ALL.find(path)
    assert caught.value.code == "GATEWAY_NO_ROUTE"


def test_one_address_has_all_methods_of_its_path() -> None:
    address, _ = Addresses([route("GET", "/one/{name}"), route("POST", "/one/{name}")]).find("/one/two")
    assert address.methods == ("GET", "HEAD", "OPTIONS", "POST")
    assert set(address.by_method) == {"GET", "POST"}


def test_only_named_parts_may_be_escaped() -> None:
    addresses = Addresses([route("GET", "/whole"), route("GET", "/one/{name}")])
    whole, named = addresses.find("/whole")[0], addresses.find("/one/two")[0]
    assert whole.is_spelled_by(b"/whole")
    assert not whole.is_spelled_by(b"/wh%6Fle")
    assert named.is_spelled_by(b"/one/t%77o")
    assert not named.is_spelled_by(b"/%6Fne/two")


def test_the_first_of_those_with_parts_is_taken_and_one_without_before_them() -> None:
    addresses = Addresses([route("GET", "/a/{b:path}/c"), route("GET", "/a/{b:path}"), route("GET", "/a/all")])
    assert addresses.find("/a/x/c")[1] == {"b": "x"}
    assert addresses.find("/a/x/d")[1] == {"b": "x/d"}
    assert addresses.find("/a/all")[1] == {}


def test_an_address_that_was_found_before_is_found_again_and_nobody_changes_its_parts() -> None:
    first, parts = ALL.find("/v2/models/small/infer")
    with pytest.raises(TypeError):
        parts["model"] = "other"  # type: ignore[index]
    assert ALL.find("/v2/models/small/infer") == (first, {"model": "small"})
    assert ALL.find("/v2/models/large/infer") == (first, {"model": "large"})
