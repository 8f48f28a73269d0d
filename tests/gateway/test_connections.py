"""Connections to the real server on loopback: bad framing, slow and greedy clients, and that others do not notice."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import msgspec
import pytest
from door_tools import QUICK, RunningDoor, head, parse_answer, read_all, running_door

from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import BytesReply, EventsReply, JsonReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route


class Said(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    text: str


class Handlers:
    """What the routes of these tests do."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.ended = threading.Event()
        self.heard: list[str] = []

    async def echo(self, _asked: Asked, body: Said) -> Reply:
        self.heard.append(body.text)
        return JsonReply({"text": body.text})

    async def count(self, _asked: Asked, body: bytes) -> Reply:
        return JsonReply({"bytes": len(body)})

    async def wait(self, _asked: Asked, _body: Said) -> Reply:
        self.started.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.ended.set()
        return JsonReply({})

    async def flood(self, _asked: Asked, _body: Said) -> Reply:
        async def pour() -> object:
            try:
                while True:
                    yield ServerEvent("x" * 65_536)
                    self.started.set()
            finally:
                self.ended.set()

        return EventsReply(pour())  # type: ignore[arg-type]

    async def greet(self, _asked: Asked, _body: bytes) -> Reply:
        return BytesReply(b"hello", "text/plain")

    def routes(self) -> list[Route]:
        posts = {"/echo": self.echo, "/wait": self.wait, "/flood": self.flood}
        made = [
            Route(method="POST", path=path, handle=act, dialect=Dialect.PROBLEM, summary="", takes=Said)
            for path, act in posts.items()
        ]
        made.append(Route(method="POST", path="/count", handle=self.count, dialect=Dialect.PROBLEM, summary=""))
        made.append(Route(method="GET", path="/hello", handle=self.greet, dialect=Dialect.PROBLEM, summary=""))
        return made


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def door(handlers: Handlers) -> Iterator[RunningDoor]:
    with running_door(handlers.routes()) as running:
        yield running
        assert running.get("/hello").body == b"hello", "others are answered whatever happened"
    assert running.failures == []


@pytest.fixture(scope="module")
def lasting() -> Iterator[RunningDoor]:
    """One for all requests that should leave nothing behind."""
    with running_door(Handlers().routes()) as running:
        yield running
    assert running.failures == []


def post(path: str, body: bytes, *headers: str) -> bytes:
    return head("POST", path, "content-type: application/json", f"content-length: {len(body)}", *headers) + body


def read_answer(connection: socket.socket, length: int) -> bytes:
    """One that is so long, where the connection goes on."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < length:
        part = connection.recv(65_536)
        if not part:
            break
        data += part
    return data


def test_an_answer(door: RunningDoor) -> None:
    answer = door.post("/echo", b'{"text":"a"}')
    assert (answer.status, answer.json) == (200, {"text": "a"})
    assert "server" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


BAD = {
    "length and chunks": (
        head("POST", "/echo", "content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
        400,
        "GATEWAY_FRAMING",
    ),
    "bare line feeds": (b"GET /hello HTTP/1.1\nhost: 127.0.0.1\n\n", 400, "GATEWAY_FRAMING"),
    "folded header": (head("GET", "/hello", "x: a", " b"), 400, "GATEWAY_FRAMING"),
    "no host": (b"GET /hello HTTP/1.1\r\n\r\n", 400, "GATEWAY_FRAMING"),
    "another host": (head("GET", "/hello", "connection: close", host="evil.example"), 421, "GATEWAY_HOST"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "GATEWAY_HTTP_VERSION"),
    "many headers": (head("GET", "/hello", *["a: b"] * 70), 431, "GATEWAY_HEAD_TOO_LARGE"),
    "huge header": (head("GET", "/hello", "a: " + "b" * 200_000), 431, "GATEWAY_HEAD_TOO_LARGE"),
    "header without an end": (b"GET /hello HTTP/1.1\r\nx: " + b"a" * 50_000, 431, "GATEWAY_HEAD_TOO_LARGE"),
    "expectation": (head("POST", "/echo", "expect: tea", "content-length: 1"), 417, "GATEWAY_EXPECTATION"),
    "bad chunk": (
        head("POST", "/echo", "content-type: application/json", "transfer-encoding: chunked") + b"5\r\nhelloo\r\n",
        400,
        "GATEWAY_FRAMING",
    ),
    "trailers": (
        head("POST", "/count", "transfer-encoding: chunked") + b"1\r\na\r\n0\r\nx: y\r\n\r\n",
        400,
        "GATEWAY_FRAMING",
    ),
    "large body": (post("/echo", b"x" * 9_000_000), 413, "GATEWAY_BODY_TOO_LARGE"),
    "large body in chunks": (
        head("POST", "/count", "transfer-encoding: chunked") + b"ff0000\r\n" + b"x" * 9_000_000,
        413,
        "GATEWAY_BODY_TOO_LARGE",
    ),
    "body of a claimed terabyte": (
        head("POST", "/count", f"content-length: {1 << 40}"),
        413,
        "GATEWAY_BODY_TOO_LARGE",
    ),
    "unknown address": (head("POST", "/nothing", "content-length: 3") + b"abc", 404, "GATEWAY_NO_ROUTE"),
    "unknown method": (head("BREW", "/hello", "connection: close"), 405, "GATEWAY_METHOD"),
    "method": (head("DELETE", "/hello", "connection: close"), 405, "GATEWAY_METHOD"),
    "body of a GET": (head("GET", "/hello", "content-length: 3") + b"abc", 400, "GATEWAY_FRAMING"),
    "chunks of a HEAD": (
        head("GET", "/hello", "transfer-encoding: chunked") + b"0\r\n\r\n",
        400,
        "GATEWAY_FRAMING",
    ),
    "body of a GET where none is": (head("GET", "/echo", "content-length: 3") + b"abc", 405, "GATEWAY_METHOD"),
    "handshake of TLS": (b"\x16\x03\x01\x00\xee\x01", 400, "GATEWAY_FRAMING"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused_and_the_connection_ends(lasting: RunningDoor, what: str) -> None:
    sent, status, code = BAD[what]
    answer = parse_answer(lasting.exchange(sent))
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.headers["x-correlation-id"] == answer.json["correlation_id"]
    assert lasting.get("/hello").body == b"hello"


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LONG_HEAD = b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 30_000
BROKEN = b"transfer-encoding: chunked\r\nx-request-id: mine\r\ntraceparent: " + TRACE + b"\r\n\r\nzz\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "shape"),
    [
        (LONG_HEAD, 431, "openai"),
        (b"TRACE /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 405, "openai"),
        (b"POST /v1/messages HTTP/1.1\nhost: 127.0.0.1\n\n", 400, "anthropic"),
        (b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nx : y\r\n\r\n", 400, "anthropic"),
        (b"GET /v2/models/" + b"a" * 30_000, 431, "inference"),
        (b"POST /v1/chat", 408, "openai"),
        (b"POST /v1/messages HTTP/1.1\r\nhost: 127", 408, "anthropic"),
    ],
)
def test_a_head_that_never_became_a_request_is_refused_in_the_words_of_its_address(
    sent: bytes, status: int, shape: str, handlers: Handlers
) -> None:
    with running_door(handlers.routes(), server=replace(QUICK, head_time=1)) as door:
        answer = parse_answer(door.exchange(sent))
    assert answer.status == status
    error = answer.json["error"]
    found = "inference" if isinstance(error, str) else "anthropic" if "type" in answer.json else "openai"
    assert found == shape


def test_a_body_that_is_refused_on_its_way_is_told_with_the_ids_of_its_request(lasting: RunningDoor) -> None:
    answer = parse_answer(lasting.exchange(b"POST /echo HTTP/1.1\r\nhost: 127.0.0.1\r\n" + BROKEN))
    assert (answer.status, answer.code) == (400, "GATEWAY_FRAMING")
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["traceparent"].split("-")[1].encode() == TRACE.split(b"-")[1]


def test_what_was_refused_is_counted_for_the_record(handlers: Handlers) -> None:
    with running_door(handlers.routes()) as door:
        for _ in range(3):
            door.exchange(b"GET /hello HTTP/1.1\n\n")
        door.get("/nothing")
    counted = {event.code: event.count for event in door.events}  # type: ignore[attr-defined]
    assert counted == {"GATEWAY_FRAMING": 3, "GATEWAY_NO_ROUTE": 1}


def test_several_requests_on_one_connection_and_pipelined_ones_in_order(
    door: RunningDoor, handlers: Handlers
) -> None:
    with door.connect() as connection:
        connection.sendall(post("/echo", b'{"text":"1"}'))
        assert b'{"text":"1"}' in read_answer(connection, 12)
        sent = b"".join(post("/echo", b'{"text":"%d"}' % number) for number in range(2, 30))
        connection.sendall(sent + head("GET", "/hello", "connection: close"))
        data = read_all(connection)
    assert data.count(b"HTTP/1.1 200") == 29
    assert data.endswith(b"hello")
    assert handlers.heard == [str(number) for number in range(1, 30)]


def test_a_bad_request_after_a_good_one_spoils_only_itself(door: RunningDoor) -> None:
    data = door.exchange(post("/echo", b'{"text":"good"}') + b"GET /hello HTTP/1.1\nhost: x\n\n")
    assert data.count(b"HTTP/1.1 200") == 1
    assert data.count(b"HTTP/1.1 400") == 1
    assert b'{"text":"good"}' in data


def test_a_hidden_second_request_is_never_one(door: RunningDoor, handlers: Handlers) -> None:
    inner = post("/echo", b'{"text":"hidden"}')
    for smuggled in (
        head("POST", "/count", "content-length: 4", "transfer-encoding: chunked") + b"0\r\n\r\n" + inner,
        head("POST", "/count", f"content-length: {len(inner)}", "content-length: 0") + inner,
        head("POST", "/count", "transfer-encoding: chunked", "transfer-encoding: x") + b"0\r\n\r\n" + inner,
        head("GET", "/hello", f"content-length: {len(inner)}") + inner,
        head("POST", "/count", "transfer-encoding: chunked") + b"0\r\nx: y\r\n\r\n" + inner,
    ):
        assert len(re.findall(rb"HTTP/1.1 \d{3} ", door.exchange(smuggled))) == 1
    assert handlers.heard == []


def test_head_and_options(door: RunningDoor) -> None:
    data = door.exchange(head("HEAD", "/hello", "connection: close"))
    assert data.endswith(b"\r\n\r\n")
    assert b"content-length: 5" in data
    answer = parse_answer(door.exchange(head("OPTIONS", "/hello", "connection: close")))
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_http_1_0_is_answered_and_closed_but_gets_no_stream(door: RunningDoor) -> None:
    answer = parse_answer(door.exchange(b"GET /hello HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n"))
    assert (answer.status, answer.body) == (200, b"hello")
    body = b'{"text":""}'
    sent = post("/flood", body).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert parse_answer(door.exchange(sent)).status == 505


def test_the_body_is_asked_for_only_where_it_is_wanted(door: RunningDoor) -> None:
    with door.connect() as connection:
        connection.sendall(head("POST", "/count", "expect: 100-continue", "content-length: 3"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b'{"bytes":3}' in read_answer(connection, 11)
    refused = door.exchange(head("POST", "/nothing", "expect: 100-continue", "content-length: 3"))
    assert refused.startswith(b"HTTP/1.1 404")


def test_who_goes_away_is_not_worked_for(door: RunningDoor, handlers: Handlers) -> None:
    with door.connect() as connection:
        connection.sendall(post("/wait", b'{"text":""}'))
        assert handlers.started.wait(10)
    assert handlers.ended.wait(10)


def test_who_reads_nothing_is_given_up(handlers: Handlers) -> None:
    with running_door(handlers.routes(), server=replace(QUICK, write_time=1)) as door, door.connect() as connection:
        connection.sendall(post("/flood", b'{"text":""}'))
        assert handlers.ended.wait(15)
        assert door.get("/hello").status == 200


def test_half_a_head_and_half_a_body_are_waited_for_a_moment_only(handlers: Handlers) -> None:
    with running_door(handlers.routes(), server=replace(QUICK, head_time=1, body_time=1)) as door:
        with door.connect() as silent, door.connect() as head_only, door.connect() as body_only:
            head_only.sendall(b"GET /hello HTT")
            body_only.sendall(head("POST", "/count", "content-length: 10") + b"abc")
            assert door.get("/hello").status == 200
            assert parse_answer(read_all(head_only)).code == "GATEWAY_TOO_SLOW"
            assert parse_answer(read_all(body_only)).code == "GATEWAY_TOO_SLOW"
            assert read_all(silent) == b""
        assert door.get("/hello").status == 200


def test_there_are_as_many_connections_as_there_may_be(handlers: Handlers) -> None:
    with running_door(handlers.routes(), connections=2) as door:
        with door.connect() as one, door.connect() as two:
            for connection in (one, two):
                connection.sendall(head("POST", "/count", "expect: 100-continue", "content-length: 1"))
                assert connection.recv(100).startswith(b"HTTP/1.1 100")
            with door.connect() as third:
                answer = parse_answer(read_all(third))
            assert (answer.status, answer.code) == (503, "GATEWAY_BUSY")
            assert answer.headers["retry-after"] == "1"
            two.sendall(b"x")
            assert b'{"bytes":1}' in read_answer(two, 11)
        assert door.get("/hello").status == 200


def test_who_asks_nothing_gives_its_place_to_who_does(handlers: Handlers) -> None:
    with ExitStack() as stack:
        door = stack.enter_context(running_door(handlers.routes(), connections=3))
        asking, idle, half = (stack.enter_context(door.connect()) for _ in range(3))
        asking.sendall(head("POST", "/count", "expect: 100-continue", "content-length: 1"))
        assert asking.recv(100).startswith(b"HTTP/1.1 100")
        half.sendall(b"GET /hel")
        for _ in range(4):
            assert door.get("/hello").body == b"hello"
        assert read_all(idle) == b""
        asking.sendall(b"x")
        assert b'{"bytes":1}' in read_answer(asking, 11)


def test_bodies_that_are_received_at_once_have_a_bound(handlers: Handlers) -> None:
    server = replace(QUICK, buffers=1 << 20, body=1 << 20)
    with running_door(handlers.routes(), server=server) as door:
        with door.connect() as first:
            first.sendall(head("POST", "/count", "expect: 100-continue", f"content-length: {900_000}"))
            assert first.recv(100).startswith(b"HTTP/1.1 100")
            answer = door.post("/count", b"x" * 200_000)
            assert (answer.status, answer.code) == (503, "GATEWAY_BUSY")
        assert door.post("/count", b"x" * 1_000_000).status == 200, "what was held was given back"


def test_requests_at_once_have_a_bound(handlers: Handlers) -> None:
    with running_door(handlers.routes(), server=replace(QUICK, requests=1)) as door:
        with door.connect() as first:
            first.sendall(post("/wait", b'{"text":""}'))
            assert handlers.started.wait(10)
            assert door.get("/hello").code == "GATEWAY_BUSY"
        assert handlers.ended.wait(10)


def test_what_is_stopped_lets_requests_end_and_then_tells_them(handlers: Handlers) -> None:
    with running_door(handlers.routes(), server=replace(QUICK, drain_time=1)) as door:
        connection = door.connect()
        connection.sendall(post("/wait", b'{"text":""}'))
        assert handlers.started.wait(10)
    with connection:
        answer = parse_answer(read_all(connection))
    assert (answer.status, answer.code) == (503, "GATEWAY_DRAINING")


def test_crowds_of_silent_and_of_eager_clients(handlers: Handlers) -> None:
    """Idle, half a head, half a body; then two hundred that connect at once."""
    with running_door(handlers.routes(), connections=2_000) as door, ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(door.connect())
            half = (b"", b"GET /hel", head("POST", "/count", "content-length: 10") + b"abc")[number % 3]
            if half:
                connection.sendall(half)
        assert door.get("/hello").status == 200
        eager = [stack.enter_context(door.connect()) for _ in range(200)]
        for connection in eager:
            connection.sendall(head("GET", "/hello", "connection: close"))
        assert all(parse_answer(read_all(connection)).body == b"hello" for connection in eager)


def test_reading_a_long_body_lets_others_go_on(handlers: Handlers) -> None:
    body = b'{"text":"' + b"\\u00e9" * 1_000_000 + b'"}'
    with running_door(handlers.routes()) as door, door.connect() as long:
        long.sendall(post("/echo", body, "connection: close"))
        assert door.get("/hello").body == b"hello"
        assert parse_answer(read_all(long)).json["text"] == "\xe9" * 1_000_000
        assert door.post("/echo", body[:-1]).code == "GATEWAY_BODY_MALFORMED"
