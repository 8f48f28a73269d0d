"""A door on loopback that encrypts, and clients of it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from door_tools import QUICK, Answer, RunningDoor, head, parse_answer, running_door
from tls_forge import make_authority, make_server, trust

from ostiary.gateway.asked import Asked
from ostiary.gateway.client_certificates import CertifiedClients
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.tls import Tls
from ostiary.gateway.tls_settings import ClientEntry, TlsSettings


async def greet(asked: Asked, _body: bytes) -> Reply:
    return JsonReply({"tenant": asked.caller.tenant, "way": asked.caller.way.value})


async def count(_asked: Asked, body: bytes) -> Reply:
    return JsonReply({"bytes": len(body)})


def make_route(method: str, path: str, handle: Any, **more: Any) -> Route:
    return Route(method=method, path=path, handle=handle, dialect=Dialect.PROBLEM, summary="", **more)


ROUTES = (
    make_route("GET", "/hello", greet),
    make_route("GET", "/open", greet, is_open=True),
    make_route("POST", "/count", count),
)
ENTRIES = {"dns:app.example": ClientEntry(tenant="acme", models=frozenset({"tiny"}))}


@contextmanager
def serving(place: Path, **changed: Any) -> Iterator[tuple[RunningDoor, Tls]]:
    """`has_clients`: certificates are asked for, and looked up in ENTRIES."""
    has_clients = changed.pop("has_clients", False)
    door_bounds = {"server": changed.pop("server", QUICK), "connections": changed.pop("connections", 100)}
    routes = changed.pop("routes", ROUTES)
    certificate, key, ca = place / "server.pem", place / "server.key", place / "clients.pem"
    make_server().write(certificate, key)
    ca.write_bytes(make_authority("Clients").pem)
    settings = TlsSettings(certificate=certificate, key=key, client_ca=ca if has_clients else None, **changed)
    tls = Tls(settings, lambda _: None)
    ways = CertifiedClients(ENTRIES, lambda: tls.current.issuers) if has_clients else None
    with running_door(routes, tls=tls, keys=ways, **door_bounds) as door:
        yield door, tls
    assert door.failures == []


@contextmanager
def speaking(door: RunningDoor, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    with (context or trust()).wrap_socket(door.connect(), server_hostname="localhost") as connection:
        yield connection


def ask(door: RunningDoor, sent: bytes, context: ssl.SSLContext | None = None) -> Answer:
    with speaking(door, context) as connection:
        connection.sendall(sent)
        return parse_answer(read_answer(connection))


def read_answer(connection: ssl.SSLSocket) -> bytes:
    """Its end is told by its length: a connection that was refused is listened to for a while."""
    data = b""
    while True:
        part = connection.recv(65_536)
        data += part
        top, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", top)
        if not part or (length is not None and len(body) == int(length[1])):
            return data


HELLO = head("GET", "/hello", "connection: close")


@pytest.fixture(params=["asyncio", "uvloop"])
def either_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the tests, and the one of `ostiary serve`."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop")

        def run(main: Coroutine[Any, Any, None]) -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main)

        monkeypatch.setattr(asyncio, "run", run)
