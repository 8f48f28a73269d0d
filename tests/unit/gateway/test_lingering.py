"""What is written to a connection: short answers go out at once, and nothing is lost where it is closed meanwhile."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ostiary.gateway.connection import LingeringTransport


class Transport:
    """Keeps what is done to it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def abort(self) -> None:
        self.done.append("aborted")

    def is_closing(self) -> bool:
        return bool({"closed", "aborted"}.intersection(self.done))


@pytest.fixture
def under() -> Transport:
    return Transport()


@pytest.fixture
def transport(under: Transport) -> LingeringTransport:
    return LingeringTransport(cast("Any", under), lambda: False)


def test_what_is_gathered_is_written_at_once(transport: LingeringTransport, under: Transport) -> None:
    with transport.gather():
        transport.write(b"head")
        transport.write(b"body")
        assert under.done == []
    transport.write(b"next")
    assert under.done == [b"headbody", b"next"]


def test_it_is_written_before_the_connection_is_closed(transport: LingeringTransport, under: Transport) -> None:
    with transport.gather():
        transport.write(b"answer")
        transport.close()
    assert under.done == [b"answer", "closed"]


def test_it_is_written_where_something_fails(transport: LingeringTransport, under: Transport) -> None:
    def fail() -> None:
        with transport.gather():
            transport.write(b"head")
            raise ValueError("meanwhile")

    with pytest.raises(ValueError, match="meanwhile"):
        fail()
    assert under.done == [b"head"]


def test_nothing_is_written_to_one_that_is_gone(transport: LingeringTransport, under: Transport) -> None:
    with transport.gather():
        transport.write(b"answer")
        transport.abort()
    assert under.done == ["aborted"]
