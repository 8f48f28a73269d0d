"""How connections become encrypted ones: in bounded time, so many at once, and before uvicorn hears of them.

Each takes the certificate that is current when it comes. Only once both sides have agreed is there a connection for
the server, which sees what was decrypted and nothing else: the judge of framing stays before every parser.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any, Final

from ostiary.core.limits import MAX_LINGER_MS
from ostiary.gateway.authenticators import Peer
from ostiary.gateway.connection import ConnectionBounds, DoorConnection
from ostiary.gateway.tls import Tls

_ACCEPTED_AT_ONCE: Final = 16
"""Between two turns of the loop, in which others get on with theirs."""
_GRACE_SECONDS: Final = 0.25
"""In which a handshake gives way to nobody: the system keeps who comes waiting meanwhile."""
_PAUSE_SECONDS: Final = 1.0
"""After the system had no room for one more connection."""


class EncryptedConnection(DoorConnection):
    """One whose other end may have shown a certificate."""

    def __init__(self, bounds: ConnectionBounds, issuers: int, **given: Any) -> None:
        super().__init__(bounds, **given)
        self._issuers: Final = issuers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        found = transport.get_extra_info("ssl_object")
        # Of a chain that was verified: else the connection would not have come so far.
        self.peer = Peer(found.getpeercert(binary_form=True), self._issuers)
        super().connection_made(transport)


class EncryptedListener:
    """Accepts connections at one socket and has them encrypted. To uvicorn it is a server like asyncio's."""

    def __init__(
        self,
        bound: socket.socket,
        tls: Tls,
        make: Callable[[int], EncryptedConnection],
        backlog: int,
    ) -> None:
        """`make`: a connection, by how often the list of issuers had been changed."""
        self._bound: Final = bound
        self._tls: Final = tls
        self._make: Final = make
        self._going_on: dict[asyncio.Task[None], float] = {}
        """Since when, the oldest first."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Those that were told to give up, too."""
        self._loop: Final = asyncio.get_running_loop()
        self._is_closed = False
        self._pausing: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        bound.listen(backlog)
        self._loop.add_reader(bound, self._accept)

    def close(self) -> None:
        """Nobody who has asked nothing yet is waited for."""
        if not self._is_closed:
            self._is_closed = True
            if self._pausing is not None:
                self._pausing.cancel()
            self._loop.remove_reader(self._bound)
            for one in self._going_on:
                one.cancel()

    async def wait_closed(self) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._make_room():
                return
            try:
                connection, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor or no memory for it: it would be told again at once
                self._pause(_PAUSE_SECONDS)
                return
            self._begin(connection)

    def _make_room(self) -> bool:
        """The oldest handshake gives way to one too many: who is honest has long agreed. A crowd that comes at one
        moment is let in as the others get ready.
        """
        while len(self._going_on) >= self._tls.settings.handshakes:
            oldest, since = next(iter(self._going_on.items()))
            left = since + _GRACE_SECONDS - self._loop.time()
            if left > 0:
                self._pause(left)
                return False
            del self._going_on[oldest]
            oldest.cancel()
        return True

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound)
        self._pausing = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
            self._loop.add_reader(self._bound, self._accept)

    def _begin(self, connection: socket.socket) -> None:
        task = self._loop.create_task(self._agree(connection))
        self._going_on[task] = self._loop.time()
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._end, connection))

    def _end(self, connection: socket.socket, done: asyncio.Task[None]) -> None:
        self._going_on.pop(done, None)
        self._tasks.discard(done)
        if done.cancelled():  # perhaps before it began
            connection.close()
        if not self._is_closed:
            self._go_on()  # there is room again, or a descriptor

    async def _agree(self, connection: socket.socket) -> None:
        now = self._tls.current
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: self._make(now.issuers),
                connection,
                ssl=now.context,
                ssl_handshake_timeout=self._tls.settings.handshake_time,
                ssl_shutdown_timeout=MAX_LINGER_MS / 1000,
            )
        except Exception:  # noqa: BLE001  whatever a stranger or the network brings about ends with this connection
            connection.close()
