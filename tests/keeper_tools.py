"""A door on loopback whose models come and go: kept by the real keeper, run by an engine that needs no weights."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cell_tools import PATIENCE
from door_tools import QUICK, Answer, RunningDoor, head, parse_answer, running_door

from ostiary.core.callers import Caller, Scope, Way
from ostiary.core.json_text import JsonValue
from ostiary.gateway.authenticators import Authenticator, Shown
from ostiary.gateway.keeper import ModelKeeper
from ostiary.gateway.kept import Kept
from ostiary.gateway.memory_budget import MemoryBudget
from ostiary.gateway.routes import gather_routes
from ostiary.gateway.settings import Server
from ostiary.gateway.to_serve import ToServe
from ostiary.gateway.versions import Versions
from ostiary.library.engines import EngineChoice
from ostiary.library.options import OpenOptions, read_options
from ostiary.record.events import Event
from ostiary.testing import HostilePublisher, sign_model

MIB = 1 << 20
LIMIT = 256 * MIB
"""Of each process."""
JSON = "content-type: application/json"


class LetIn:
    """Everybody, as somebody who may do everything, or what is said."""

    def __init__(self, scopes: frozenset[Scope] = frozenset(Scope), models: frozenset[str] | None = None) -> None:
        self._caller = Caller(id="all", tenant="all", scopes=scopes, models=models, way=Way.KEY)

    def find(self, _shown: Shown) -> Caller:
        return self._caller


@dataclass
class Kennel:
    """What a test has of it."""

    door: RunningDoor
    keeper: ModelKeeper
    events: list[Event]

    def ask(self, model: str, prompt: str = "who", words: int = 3, *, stream: bool = False) -> Answer:
        return parse_answer(self.door.exchange(ask(model, prompt, words, stream=stream)))

    def say(self, model: str, prompt: str = "who") -> str:
        """What it answers, or why it does not."""
        answer = self.ask(model, prompt)
        return str(answer.code) if answer.status != 200 else str(answer.json["choices"][0]["text"])  # type: ignore[index]

    def reload(self, name: str) -> Answer:
        return self.door.post(f"/admin/models/{name}/reload", b"")

    def kept(self, name: str) -> Kept:
        return self.keeper.find(name)

    @property
    def loaded(self) -> set[str]:
        return {name for name in self.keeper.names if self.kept(name).served.current is not None}

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in tuple(self.events) if isinstance(event, kind)]

    def on_loop(self, act: object) -> object:
        assert callable(act)

        async def run() -> object:
            return act()

        return self.door.run(run())


def ask(model: str, prompt: str, words: int, *, stream: bool = False) -> bytes:
    asked = {"model": model, "prompt": prompt, "max_tokens": words, "stream": stream}
    body = json.dumps(asked).encode()
    return head("POST", "/v1/completions", JSON, f"content-length: {len(body)}", "connection: close") + body


def publish(folder: Path, name: str = "honest") -> ToServe:
    path = HostilePublisher(folder, name).publish_honest()
    return make_to_serve(name, path, sign_model(path), folder / "state")


def make_to_serve(
    name: str, path: Path, key: Path, state: Path, *, said: object = None, is_on_demand: bool = True
) -> ToServe:
    options: OpenOptions = read_options({"key": key, "state": state, "limits": {"memory": "256 MiB"}})
    options = replace(options, engine=make_engine(), function_engine=make_engine())
    return ToServe(name, path, options, is_on_demand, said, (key,))


def make_engine(word: str | None = None, milliseconds: int = 0) -> EngineChoice:
    """Says again what it is asked; or, asked who it is, a word."""
    replies = None if word is None else {"who": f"{word} " * 64}
    settings: dict[str, JsonValue] = {"answers": [], "token_milliseconds": milliseconds, "failure_tokens": 0}
    return EngineChoice("fake", {**settings, "replies": replies, "failure": None})


def speaking(to_serve: ToServe, word: str, *, milliseconds: int = 0) -> ToServe:
    """The same model, that answers with this word."""
    return replace(to_serve, options=replace(to_serve.options, engine=make_engine(word, milliseconds)), said=word)


@contextmanager
def keeping(
    models: Sequence[ToServe],
    *,
    memory: int = 64 << 30,
    server: Server = QUICK,
    lets_in: Authenticator | None = None,
    has_grpc: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Kennel]:
    events: list[Event] = []
    failures: list[BaseException] = []
    keeper = ModelKeeper(
        Versions(events.append, "a-server"),
        MemoryBudget(memory),
        server,
        on_failure=failures.append,
        clock=clock,
    )
    try:
        for model in models:
            keeper.open_at_start(model, may_exceed=False)
        routes = gather_routes(lambda: False, keeper.reload)
        keys = lets_in or LetIn()
        with running_door(routes, models=keeper.models, keys=keys, server=server, has_grpc=has_grpc) as door:
            yield Kennel(door, keeper, events)
            assert door.failures == []
            assert door.run(_count_waiting(keeper)) == 0
    finally:
        keeper.close()
    assert failures == []
    assert keeper.budget.taken_bytes == 0


async def _count_waiting(keeper: ModelKeeper) -> int:
    await asyncio.sleep(0)
    return keeper.waiting


def wait_for(is_so: object) -> None:
    assert callable(is_so)
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        threading.Event().wait(0.01)
