"""A real door on loopback with a model behind it, for clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from door_tools import QUICK, RunningDoor, running_door

from ostiary.admission.quotas import TenantQuotas
from ostiary.gateway.keys import ClientKeys
from ostiary.gateway.routes import gather_routes
from ostiary.gateway.served import ServedModel
from ostiary.gateway.settings import Server
from ostiary.gateway.tls import Tls
from ostiary.library.opening import open_here
from ostiary.library.options import read_options
from ostiary.testing import HostilePublisher, sign_model

KEY = "any"
"""Clients want one; this door asks for none."""


@dataclass(frozen=True)
class Served:
    """Where it listens."""

    door: RunningDoor
    names: tuple[str, ...]
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.door.port}"

    @property
    def openai(self) -> str:
        return f"{self.url}/v1"


@contextmanager
def only_loopback() -> Iterator[list[str]]:
    """Within it nobody in this process looks up or reaches another machine; whoever tries is in the list."""
    tried: list[str] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connect_here(made: socket.socket, address: Any) -> None:
        if made.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            tried.append(str(address[0]))
            raise ConnectionRefusedError
        connect(made, address)

    def look_up_here(host: Any, *rest: Any, **named: Any) -> Any:
        if host not in ("127.0.0.1", "::1", "localhost", None):
            tried.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return look_up(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", look_up_here)
        yield tried


@contextmanager
def closing_loops() -> Iterator[None]:
    """LiteLLM leaves an event loop open that it made, which would be said of whatever test comes next."""
    before = {id(loop) for loop in _find_loops()}
    yield
    for loop in _find_loops():
        if id(loop) not in before and not loop.is_running() and not loop.is_closed():
            loop.close()


def _find_loops() -> list[asyncio.BaseEventLoop]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # modules that warn when they are looked at
        return [found for found in gc.get_objects() if type(found).__mro__.count(asyncio.BaseEventLoop)]


@contextmanager
def serve(
    state: Path,
    *models: tuple[str, Path, Path],
    has_grpc: bool = False,
    keys: ClientKeys | None = None,
    server: Server = QUICK,
    quotas: TenantQuotas | None = None,
    tls: Tls | None = None,
    **arguments: Any,
) -> Iterator[Served]:
    """Name, directory and public key of each."""
    with ExitStack() as stack:
        served = []
        for name, path, key in models:
            opened = open_here(path, read_options({"key": key, "state": state, **arguments}))
            stack.callback(opened.close)
            threads = ThreadPoolExecutor(4)
            stack.callback(threads.shutdown, wait=False)
            served.append(ServedModel(name, opened, int(time.time()), threads))
        routes = gather_routes(lambda: False)
        door = stack.enter_context(
            running_door(routes, models=served, has_grpc=has_grpc, keys=keys, server=server, quotas=quotas, tls=tls)
        )
        yield Served(door, tuple(model.name for model in served), "http" if tls is None else "https")


@contextmanager
def serve_fake(folder: Path, *names: str, quotas: TenantQuotas | None = None) -> Iterator[Served]:
    """Within a `FakeEngine`: the honest model under these names."""
    model = HostilePublisher(folder).publish_honest()
    key = sign_model(model)
    honest = ((name, model, key) for name in names or ("honest",))
    with only_loopback() as tried, serve(folder / "state", *honest, quotas=quotas) as served:
        yield served
    assert tried == []
