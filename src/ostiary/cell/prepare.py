"""Starts, while a model is still being verified, what its worker will come from and what never sees a model."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress

from ostiary.cell.fork_servers import find_fork_server
from ostiary.cell.plan import choose_program
from ostiary.cell.probe import read_facts
from ostiary.cell.profile import Layer, required_layers
from ostiary.core.frames import JsonObject


def prepare_engine(engine: str, settings: JsonObject, without: Collection[Layer] = ()) -> None:
    """Returns at once. What goes wrong goes wrong again, and is told, when the worker is started."""

    def start() -> None:
        with suppress(Exception):
            layers = frozenset(required_layers(read_facts())) - frozenset(without)
            find_fork_server(choose_program(engine, settings, layers))

    with suppress(RuntimeError):  # no thread to spare
        threading.Thread(target=start, name="ostiary-prepare").start()
