"""uvicorn, as this house uses it: our own connections, nothing logged, and signals that are ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import uvicorn

from ostiary.gateway.app import Door
from ostiary.gateway.connection import ConnectionBounds, DoorConnection
from ostiary.gateway.handshake import EncryptedConnection, EncryptedListener
from ostiary.gateway.settings import Server
from ostiary.gateway.tls import Tls

_BACKLOG: Final = 2_048
_FLUSH_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 1.0
_NOWHERE: Final = logging.NullHandler()
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours are handled by the loop: nothing is raised again once all requests had their end."""
        yield


class _EncryptedUvicorn(_Uvicorn):
    """Connections come to it when they are encrypted."""

    def __init__(self, config: uvicorn.Config, tls: Tls, bounds: ConnectionBounds) -> None:
        super().__init__(config)
        self._tls: Final = tls
        self._bounds: Final = bounds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()

        def make(issuers: int) -> EncryptedConnection:
            return EncryptedConnection(
                self._bounds,
                issuers,
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )

        listening: Any = [EncryptedListener(bound, self._tls, make, _BACKLOG) for bound in sockets or ()]
        self.servers = listening
        self.started = True


async def run_server(
    door: Door,
    bound: socket.socket,
    server: Server,
    bounds: ConnectionBounds,
    *,
    on_listening: Callable[[], Awaitable[None]],
    flush: Callable[[], None],
    is_main: bool = True,
    stop: asyncio.Event | None = None,
    tls: Tls | None = None,
    looks: Sequence[Callable[[], None]] = (),
    on_draining: Callable[[int], None] = lambda _: None,
) -> None:
    """Until a signal comes (where `is_main`) or `stop` is set; then until no request is left or their time is up.

    `flush` is called now and then, in a thread, and once at the end; each of `looks` every second, in a thread.
    `on_draining` hears how many requests there are that the end waits for, where there are some.
    """
    _silence()
    config = uvicorn.Config(
        door,
        http=functools.partial(DoorConnection, bounds),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=server.idle_time,
        timeout_graceful_shutdown=server.drain_time,
        backlog=_BACKLOG,
    )
    running = _Uvicorn(config) if tls is None else _EncryptedUvicorn(config, tls, bounds)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: _hear_lost(door, context))

    def end() -> None:
        if not door.is_draining and running.server_state.tasks:
            on_draining(len(running.server_state.tasks))
        door.is_draining = True
        running.should_exit = True

    for number in _SIGNALS if is_main else ():
        loop.add_signal_handler(number, end)
    helpers = [
        asyncio.create_task(_flush_often(flush)),
        asyncio.create_task(_tell_listening(running, on_listening)),
        *(asyncio.create_task(_look_often(look)) for look in looks),
    ]
    if stop is not None:
        helpers.append(asyncio.create_task(_end_when(stop, end)))
    try:
        await running.serve(sockets=[bound])
        await _await_rest(running)
    finally:
        for helper in helpers:
            helper.cancel()
        for number in _SIGNALS if is_main else ():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # what follows is the end: it is not to be cut short
        await asyncio.to_thread(flush)


async def _await_rest(running: uvicorn.Server) -> None:
    """Those that were cancelled when their time was over tell their clients so."""
    if running.server_state.tasks:
        await asyncio.wait(set(running.server_state.tasks), timeout=1)


async def _flush_often(flush: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        with contextlib.suppress(Exception):  # the record cannot be written: what it was to hear waits
            await asyncio.to_thread(flush)


async def _look_often(look: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(Exception):  # the record cannot be written, say: what was seen is seen again
            await asyncio.to_thread(look)


async def _tell_listening(running: uvicorn.Server, on_listening: Callable[[], Awaitable[None]]) -> None:
    while not running.started:
        await asyncio.sleep(0.01)
    await on_listening()


async def _end_when(stop: asyncio.Event, end: Callable[[], None]) -> None:
    await stop.wait()
    end()


def _hear_lost(door: Door, context: dict[str, Any]) -> None:
    """What nobody awaited any more. asyncio would write it to standard error, text and all, and wait for that."""
    error = context.get("exception")
    if isinstance(error, Exception):
        door.note(error)


def _silence() -> None:
    """What loggers say can have parts of requests in it, and whoever reads them would stop the event loop."""
    logging.getLogger().addHandler(_NOWHERE)  # else those that nobody set up write to standard error
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger: Any = logging.getLogger(name)
        logger.disabled = True
