"""Streams on which nothing comes for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from ostiary.gateway import answering
from ostiary.gateway.answering import Answering
from ostiary.gateway.reply import EventsReply, ServerEvent
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
