"""Receives the rest of one long body straight into the place where it is to lie, past every parser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_BEYOND_BYTES: Final = 4_096


class DirectReceiver(asyncio.BufferedProtocol):
    """Takes the place of a connection's protocol until the body is there. What else happens is that protocol's."""

    def __init__(self, place: memoryview, note: Callable[[int], None], protocol: asyncio.Protocol) -> None:
        """`place` has at least a byte left; `note` is told how many came, and ends this once it is full."""
        self._place = place
        self._filled = 0
        self._note: Final = note
        self._protocol: Final = protocol

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._place[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled == len(self._place):  # the event loop may remember this for as long as the connection lasts
            self._place, self._filled = memoryview(bytearray(_BEYOND_BYTES)), 0
        self._note(nbytes)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()
