"""What is written to a connection: nothing is lost where it is closed meanwhile, and nothing follows."""

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


def test_what_was_written_goes_before_the_end(transport: LingeringTransport, under: Transport) -> None:
    transport.write(b"answer")
    transport.close()
    transport.close()
    assert under.done == [b"answer", "closed"]
