"""A real door on loopback with a model behind it, for clients that nobody here wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from door_tools import RunningDoor, running_door

from ostiary.gateway.routes import gather_routes
from ostiary.gateway.served import ServedModel
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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    @property
    def openai(self) -> str:
        return f"{self.url}/v1"


@contextmanager
def serve(state: Path, *models: tuple[str, Path, Path], **arguments: Any) -> Iterator[Served]:
    """Name, directory and public key of each."""
    with ExitStack() as stack:
        served = []
        for name, path, key in models:
            opened = open_here(path, read_options({"key": key, "state": state, **arguments}))
            stack.callback(opened.close)
            threads = ThreadPoolExecutor(4)
            stack.callback(threads.shutdown, wait=False)
            served.append(ServedModel(name, opened, int(time.time()), threads))
        door = stack.enter_context(running_door(gather_routes(lambda: False), models=served))
        yield Served(door, tuple(model.name for model in served))


@contextmanager
def serve_fake(folder: Path, *names: str) -> Iterator[Served]:
    """Within a `FakeEngine`: the honest model under these names."""
    model = HostilePublisher(folder).publish_honest()
    key = sign_model(model)
    with serve(folder / "state", *((name, model, key) for name in names or ("honest",))) as served:
        yield served
