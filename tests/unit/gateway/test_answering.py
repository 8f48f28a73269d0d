"""Short answers in one piece, and streams on which nothing comes for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from ostiary.gateway import answering
from ostiary.gateway.answering import Answering
from ostiary.gateway.reply import BytesReply, EventsReply, Headers, JsonReply, Reply, ServerEvent, render_lines
from ostiary.gateway.request_ids import read_request_ids

COMMENT = b": still at work\n\n"


class Client:
    """Takes what is sent, and says when a comment came."""

    def __init__(self, error: Exception | None = None) -> None:
        self.taken: list[bytes] = []
        self.commented = asyncio.Event()
        self._error = error

    async def take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            return
        self.taken.append(message["body"])
        if message["body"] == COMMENT:
            self.commented.set()
            if self._error is not None:
                raise self._error


async def stream(client: Client, events: AsyncIterator[ServerEvent]) -> None:
    await asyncio.wait_for(Answering(client.take, read_request_ids({})).send_reply(EventsReply(events)), 30)


async def read_a_long_prompt(client: Client) -> AsyncIterator[ServerEvent]:
    yield ServerEvent("first")
    await client.commented.wait()
    yield ServerEvent("second")


def test_while_nothing_comes_it_is_told_that_there_will_be_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_QUIET_SECONDS", 0.01)

    async def run() -> list[bytes]:
        client = Client()
        await stream(client, read_a_long_prompt(client))
        return client.taken

    taken = asyncio.run(run())
    assert taken[0] == b"data: first\n\n"
    assert COMMENT in taken
    assert [part for part in taken if part != COMMENT] == [b"data: first\n\n", b"data: second\n\n", b""]
    assert taken[-1] == b""


def test_a_client_that_takes_no_comment_is_noticed_by_the_stream_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_QUIET_SECONDS", 0.01)

    async def run() -> tuple[list[bytes], list[object]]:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))
        client = Client(ConnectionError("gone"))
        await stream(client, read_a_long_prompt(client))
        return client.taken, failures

    taken, failures = asyncio.run(run())
    assert taken[-2:] == [b"data: second\n\n", b""]
    assert failures == []


def test_where_events_come_nothing_is_added() -> None:
    async def count() -> AsyncIterator[ServerEvent]:
        for number in range(20):
            yield ServerEvent(str(number))

    async def run() -> list[bytes]:
        client = Client()
        await stream(client, count())
        assert len(asyncio.all_tasks()) == 1
        return client.taken

    assert asyncio.run(run()) == [*(b"data: %d\n\n" % number for number in range(20)), b""]


class Connection:
    """Writes answers whole, where it can."""

    def __init__(self, *, can: bool = True) -> None:
        self.written: list[tuple[int, bytes, bytes, bool]] = []
        self._can = can

    def write(self, status: int, lines: bytes, body: bytes, *, closes: bool) -> bool:
        if self._can:
            self.written.append((status, lines, body, closes))
        return self._can


def answer(reply: Reply, connection: Connection, client: Client, *, must_close: bool = False) -> None:
    answering = Answering(client.take, read_request_ids({"x-request-id": "mine"}), connection.write)
    answering.must_close = must_close
    asyncio.run(answering.send_reply(reply))


@pytest.mark.parametrize("must_close", [False, True])
def test_a_short_answer_is_written_whole(must_close: bool) -> None:
    connection, client = Connection(), Client()
    reply = BytesReply(b"head", "x/y", headers=(("z", "1"),), more=(memoryview(b"and more"),))
    answer(reply, connection, client, must_close=must_close)
    ((status, lines, body, closes),) = connection.written
    assert (status, body, closes) == (200, b"headand more", must_close)
    told = lines.decode().split("\r\n")
    assert told[:3] == ["content-type: x/y", "z: 1", "content-length: 12"]
    assert {"cache-control: no-store", "x-content-type-options: nosniff", "x-request-id: mine"} < {*told}
    assert ("connection: close" in told) is must_close
    assert client.taken == []


def test_where_the_connection_cannot_it_is_sent_in_parts() -> None:
    connection, client = Connection(can=False), Client()
    answer(JsonReply({"a": 1}), connection, client)
    assert client.taken == [b'{"a":1}']


def test_a_long_answer_is_not_copied_for_that() -> None:
    connection, client = Connection(), Client()
    answer(BytesReply(b"head", "x/y", more=(memoryview(bytes(1 << 17)),)), connection, client)
    assert connection.written == []
    assert [len(part) for part in client.taken] == [4, 1 << 17]


@pytest.mark.parametrize(
    "header",
    [("z", "1\r\nset-cookie: x"), ("z", "1\n"), ("z", "\x7f"), ("z y", "1"), ("", "1"), ("z:", "1"), ("z", "\xe9")],
)
def test_what_is_no_header_line_is_written_nowhere(header: tuple[str, str]) -> None:
    connection, client = Connection(), Client()
    headers: Headers = (header,)
    with pytest.raises(ValueError, match="header line"):
        render_lines((("a", "b"), *headers))
    with pytest.raises(ValueError, match="header line"):
        answer(BytesReply(b"", "x/y", headers=headers), connection, client)
    assert connection.written == []
    assert client.taken == []
