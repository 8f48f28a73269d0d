"""uvicorn, as this house uses it: our own connections, nothing logged, and signals that are ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import uvicorn

from ostiary.gateway.app import Door
from ostiary.gateway.connection import ConnectionBounds, DoorConnection
from ostiary.gateway.settings import Server

_BACKLOG: Final = 2_048
_FLUSH_SECONDS: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours are handled by the loop: nothing is raised again once all requests had their end."""
        yield


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
) -> None:
    """Until a signal comes (where `is_main`) or `stop` is set; then until no request is left or their time is up.

    `flush` is called now and then, in a thread, and once at the end.
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
    running = _Uvicorn(config)
    loop = asyncio.get_running_loop()

    def end() -> None:
        door.is_draining = True
        running.should_exit = True

    for number in _SIGNALS if is_main else ():
        loop.add_signal_handler(number, end)
    helpers = [
        asyncio.create_task(_flush_often(flush)),
        asyncio.create_task(_tell_listening(running, on_listening)),
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


async def _tell_listening(running: uvicorn.Server, on_listening: Callable[[], Awaitable[None]]) -> None:
    while not running.started:
        await asyncio.sleep(0.01)
    await on_listening()


async def _end_when(stop: asyncio.Event, end: Callable[[], None]) -> None:
    await stop.wait()
    end()


def _silence() -> None:
    """What its loggers say can have parts of requests in it."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger: Any = logging.getLogger(name)
        logger.disabled = True
