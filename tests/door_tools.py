"""A door on loopback for tests: the real server in a thread, with routes of the test's own, and raw sockets to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ostiary.admission.quotas import TenantQuotas
from ostiary.gateway.app import Door
from ostiary.gateway.authenticators import Authenticator, Authenticators
from ostiary.gateway.connection import ConnectionBounds
from ostiary.gateway.listen import bind_socket
from ostiary.gateway.origins import choose_origins
from ostiary.gateway.route import Route
from ostiary.gateway.served import ServedModel, ServedModels
from ostiary.gateway.server import run_server
from ostiary.gateway.settings import Server
from ostiary.gateway.tally import RefusalTally
from ostiary.gateway.tls import Tls
from ostiary.record.events import Event

T = TypeVar("T")
QUICK = Server(head_time=5, body_time=5, write_time=5, idle_time=5, drain_time=5)


@dataclass
class RunningDoor:
    """What a test sees of it."""

    port: int
    door: Door
    events: list[Event]
    failures: list[BaseException] = field(default_factory=list)
    grpc_port: int = 0
    loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        """On its event loop."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def connect(self, seconds: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def exchange(self, sent: bytes, *, ends: bool = False) -> bytes:
        """All that comes back until the server closes; `sent` should make it close."""
        with self.connect() as connection:
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def get(self, path: str, *headers: str) -> Answer:
        return parse_answer(self.exchange(head("GET", path, "connection: close", *headers)))

    def post(self, path: str, body: bytes, *headers: str) -> Answer:
        kind = (
            ()
            if any(h.lower().startswith("content-type") for h in headers)
            else ("content-type: application/json",)
        )
        length = f"content-length: {len(body)}"
        return parse_answer(self.exchange(head("POST", path, "connection: close", length, *kind, *headers) + body))


@dataclass(frozen=True)
class Answer:
    """One answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def code(self) -> object:
        """Of an error, in whatever dialect."""
        value = self.json
        inner = value.get("error")
        return (inner if isinstance(inner, dict) else value).get("code")


def head(method: str, path: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"host: {host}", *headers, "", ""]).encode("latin-1")


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while True:
        try:
            part = connection.recv(65_536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def parse_answer(data: bytes) -> Answer:
    """The first answer in `data`."""
    top, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = int(first.split(" ")[1])
    if headers.get("transfer-encoding") == "chunked":
        rest = _join_chunks(rest)
    elif "content-length" in headers:
        rest = rest[: int(headers["content-length"])]
    return Answer(status, headers, rest)


def _join_chunks(data: bytes) -> bytes:
    parts = []
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size, 16)
        if not count:
            break
        parts.append(data[:count])
        data = data[count + 2 :]
    return b"".join(parts)


@contextmanager
def running_door(
    routes: Sequence[Route],
    *,
    server: Server = QUICK,
    models: Sequence[ServedModel] | ServedModels = (),
    keys: Authenticator | None = None,
    connections: int = 100,
    has_grpc: bool = False,
    tls: Tls | None = None,
    quotas: TenantQuotas | None = None,
) -> Iterator[RunningDoor]:
    """In a thread; stopped, and every request at its end, when the block is left."""
    events: list[Event] = []
    failures: list[BaseException] = []
    tally = RefusalTally(events.append, "a-server")
    bound = bind_socket("127.0.0.1", 0)
    server = replace(server, port=bound.getsockname()[1])
    origins = choose_origins(server.host, server.hosts, server.origins)
    door = Door(
        routes,
        models if isinstance(models, ServedModels) else ServedModels(models),
        server=server,
        origins=origins,
        authenticators=None if keys is None else Authenticators([keys]),
        tally=tally,
        quotas=quotas,
        on_failure=failures.append,
    )
    bounds = ConnectionBounds(connections, server.head_time, server.body_time, server.write_time, tally.note)
    started = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    stops: list[asyncio.Event] = []
    ports: list[int] = []

    async def main() -> None:
        stops.append(asyncio.Event())
        loops.append(asyncio.get_running_loop())

        async def tell() -> None:
            started.set()

        async with AsyncExitStack() as stack:
            if has_grpc:
                from ostiary.gateway.oip.grpc_server import serving_grpc

                ports.append(await stack.enter_async_context(serving_grpc(door, server, tls)))
            await run_server(
                door,
                bound,
                server,
                bounds,
                on_listening=tell,
                flush=tally.tell,
                is_main=False,
                stop=stops[0],
                tls=tls,
            )

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="door")
    thread.start()
    try:
        assert started.wait(10)
        yield RunningDoor(server.port, door, events, failures, ports[0] if ports else 0, loops[0])
    finally:
        if loops:
            loops[0].call_soon_threadsafe(stops[0].set)
        thread.join(20)
        assert not thread.is_alive()
