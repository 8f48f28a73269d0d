"""One test for each code of the door, named by what brings it about."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from door_tools import QUICK, RunningDoor, head, parse_answer, read_all, running_door

from ostiary import errors
from ostiary.core.callers import Scope
from ostiary.gateway.asked import Asked
from ostiary.gateway.client_key import make_key
from ostiary.gateway.keys import ClientKeys
from ostiary.gateway.listen import bind_socket, check_protection
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.settings_file import parse_server_file


class Said(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    model: str


async def _find(asked: Asked, body: Said) -> Reply:
    asked.models.find(body.model, asked.caller)
    raise errors.GatewayRefused(errors.GATEWAY_OPERATION, "it is of another kind")


async def _operate(_asked: Asked, _body: bytes) -> Reply:
    raise errors.GatewayRefused(errors.GATEWAY_OPERATION, "it is of another kind")


async def _greet(_asked: Asked, _body: bytes) -> Reply:
    return JsonReply("hello")


ROUTES = (
    Route(method="POST", path="/find", handle=_find, dialect=Dialect.PROBLEM, summary="", takes=Said),
    Route(method="GET", path="/operate", handle=_operate, dialect=Dialect.PROBLEM, summary=""),
    Route(method="GET", path="/hello", handle=_greet, dialect=Dialect.PROBLEM, summary=""),
)
JSON = "content-type: application/json"
SENT = {
    "GATEWAY_FRAMING": b"GET /hello HTTP/1.1\r\n\r\n",
    "GATEWAY_HTTP_VERSION": b"GET /hello HTTP/3.0\r\n\r\n",
    "GATEWAY_HEAD_TOO_LARGE": head("GET", "/hello", "x: " + "y" * 20_000),
    "GATEWAY_BODY_TOO_LARGE": head("POST", "/find", JSON, "content-length: 99999999"),
    "GATEWAY_TOO_SLOW": b"GET /hello HTTP/1.1\r\n",
    "GATEWAY_EXPECTATION": head("POST", "/find", JSON, "content-length: 2", "expect: more"),
    "GATEWAY_NO_ROUTE": head("GET", "/none", "connection: close"),
    "GATEWAY_METHOD": head("PUT", "/hello", "connection: close"),
    "GATEWAY_HOST": head("GET", "/hello", "connection: close", host="other.example"),
    "GATEWAY_ORIGIN": head("GET", "/hello", "connection: close", "origin: https://other.example"),
    "GATEWAY_MEDIA_TYPE": head("POST", "/find", "connection: close", "content-type: text/plain"),
    "GATEWAY_QUERY": head("GET", "/hello?verbose=1", "connection: close"),
    "GATEWAY_BODY_MALFORMED": head("POST", "/find", "connection: close", JSON, "content-length: 1") + b"{",
    "GATEWAY_MODEL_UNKNOWN": head("POST", "/find", "connection: close", JSON, "content-length: 13")
    + b'{"model":"x"}',
    "GATEWAY_OPERATION": head("GET", "/operate", "connection: close"),
}


@pytest.fixture(scope="module")
def door() -> Iterator[RunningDoor]:
    with running_door(ROUTES, server=replace(QUICK, head_time=1)) as running:
        yield running


@pytest.mark.parametrize("code", SENT)
def test_what_is_sent_brings_the_code(door: RunningDoor, code: str) -> None:
    answer = parse_answer(door.exchange(SENT[code]))
    assert (answer.code, answer.status) == (code, errors.CODES[code].http)


def test_a_key_that_nobody_made() -> None:
    with running_door(ROUTES, keys=ClientKeys(())) as door:
        answer = door.get("/hello", "authorization: Bearer ost_000000000000_" + "A" * 43)
    assert (answer.code, answer.status) == ("ADMISSION_UNAUTHENTICATED", 401)


@pytest.mark.parametrize(
    ("code", "status", "changed"),
    [
        ("ADMISSION_EXPIRED", 401, {"expires": 1}),
        ("ADMISSION_REVOKED", 401, {"revoked": 1}),
        ("ADMISSION_FORBIDDEN", 403, {"scopes": frozenset({Scope.METRICS})}),
        ("GATEWAY_MODEL_UNKNOWN", 404, {"models": frozenset({"other"})}),
    ],
)
def test_a_key_that_may_not(code: str, status: int, changed: dict[str, Any]) -> None:
    kept, key = make_key("alice", 0)
    sent = head("POST", "/find", "connection: close", JSON, "content-length: 13", f"x-api-key: {key}")
    with running_door(ROUTES, keys=ClientKeys([replace(kept, **changed)])) as door:
        answer = parse_answer(door.exchange(sent + b'{"model":"x"}'))
    assert (answer.code, answer.status) == (code, status)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_connection_too_many() -> None:
    with running_door(ROUTES, connections=1) as door, door.connect() as first:
        first.sendall(head("POST", "/find", JSON, "expect: 100-continue", "content-length: 13"))
        assert first.recv(100).startswith(b"HTTP/1.1 100")
        with door.connect() as second:
            answer = parse_answer(read_all(second))
    assert (answer.code, answer.status) == ("GATEWAY_BUSY", 503)


def test_a_request_while_the_server_is_stopped() -> None:
    with running_door(ROUTES) as door:
        door.door.is_draining = True
        answer = door.get("/hello")
    assert (answer.code, answer.status) == ("GATEWAY_DRAINING", 503)


def test_an_address_that_somebody_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(errors.ServerFailed) as caught:
        bind_socket("127.0.0.1", taken.getsockname()[1])
    assert caught.value.code == "SERVER_NOT_LISTENING"


def test_everybody_let_in_from_everywhere() -> None:
    with pytest.raises(errors.Misuse) as caught:
        check_protection(replace(QUICK, host="0.0.0.0", keys=False))  # noqa: S104  which is what is refused
    assert caught.value.code == "SERVER_UNPROTECTED"


def test_a_setting_that_does_not_exist() -> None:
    with pytest.raises(errors.Misuse) as caught:
        parse_server_file(b"[server]\nprot = 80", "ostiary.toml", Path())
    assert caught.value.code == "SETTINGS_MALFORMED"
