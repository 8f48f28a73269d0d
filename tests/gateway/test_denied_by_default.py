"""What no setting allows is denied, at every address there is: names of others, pages of others, and who shows nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from door_tools import RunningDoor, head, parse_answer, running_door

from ostiary.gateway.authenticators import Shown
from ostiary.gateway.routes import gather_routes
from ostiary.gateway.settings import Server

ROUTES = gather_routes(lambda: False)
PLACES = sorted({(route.method, re.sub(r"\{[^}]*\}", "x", route.path), route.is_open) for route in ROUTES})


class NobodyKnown:
    def find(self, _shown: Shown) -> None:
        return None


@pytest.fixture(scope="module")
def door() -> Iterator[RunningDoor]:
    with running_door(ROUTES, keys=NobodyKnown()) as running:
        yield running
    assert running.failures == []


def ask(
    door: RunningDoor, method: str, path: str, *headers: str, host: str = "127.0.0.1"
) -> tuple[int, object, bool]:
    answer = parse_answer(door.exchange(head(method, path, "connection: close", *headers, host=host)))
    told = any(name.startswith("access-control-") for name in answer.headers)
    return answer.status, answer.code if answer.status >= 400 else None, told


def test_nothing_is_allowed_where_nothing_is_said() -> None:
    usual = Server()
    assert (usual.host, usual.hosts, usual.origins, usual.keys) == ("127.0.0.1", (), (), True)


@pytest.mark.parametrize(("method", "path", "is_open"), PLACES)
def test_at_every_address(door: RunningDoor, method: str, path: str, is_open: bool) -> None:
    for origin in ("https://evil.example", "null", "http://localhost", f"http://127.0.0.1:{door.port}"):
        assert ask(door, method, path, f"origin: {origin}") == (403, "GATEWAY_ORIGIN", False)
        wanted = f"access-control-request-method: {method}"
        assert ask(door, "OPTIONS", path, f"origin: {origin}", wanted) == (403, "GATEWAY_ORIGIN", False)
    for host in ("evil.example", "127.0.0.1.evil.example", "169.254.169.254", "", "localhost@evil.example", "::1"):
        assert ask(door, method, path, host=host)[0] in (400, 421)
    if not is_open:
        assert ask(door, method, path) == (401, "ADMISSION_UNAUTHENTICATED", False)
        for shown in ("authorization: Basic YTpi", "authorization: Bearer", "x-api-key: x", "cookie: key=x"):
            assert ask(door, method, path, shown)[0] == 401
