"""Short requests that an event loop makes itself: the same answers and endings, and what would take long is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, Events, make_sealed, open_cell, signal_worker

from ostiary.admission import Entrance, Gate
from ostiary.admission.room import Room
from ostiary.answer import RequestEndings
from ostiary.cell.running import RunningCell
from ostiary.contract import TextContract
from ostiary.core.callers import NOBODY
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.library.async_model import AsyncStream
from ostiary.record.events import CellEnded, Event
from ostiary.record.request_events import RequestAnswered, RequestCancelled, RequestFailed, RequestRefused
from ostiary.walks.request_walk import AnswerInFlight, ask_model_at_once

pytestmark = LINUX_ONLY

MODEL = make_sealed({"config.json": b'{"vocab_size": 64, "max_position_embeddings": 128}'})
CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)
ENDINGS = (RequestAnswered, RequestRefused, RequestFailed, RequestCancelled)
SAID = {"role": "user", "content": "hello"}


class Desk:
    """A running model, and those who ask it."""

    is_closed = False

    def __init__(self, cell: RunningCell, events: Events) -> None:
        self.cell = cell
        self.events = events
        self.endings = RequestEndings(events.emit, "opening", cell.root)

    def ask_at_once(
        self, request: ParsedRequest, on_ready: Callable[[], None], _: object, entrance: Entrance | None
    ) -> AnswerInFlight | None:
        return ask_model_at_once(self.cell, CONTRACT, self.endings, request, on_ready=on_ready, entrance=entrance)

    def ask(self, operation: Operation = Operation.GENERATE, **fields: Any) -> AnswerInFlight | None:
        return ask_model_at_once(self.cell, CONTRACT, self.endings, ParsedRequest(operation, fields))

    @property
    def told(self) -> list[Event]:
        return [event for event in self.events.all if isinstance(event, ENDINGS)]


@contextmanager
def desk() -> Iterator[Desk]:
    events = Events()
    with open_cell(events, "fake", sealed=MODEL) as cell:
        opened = Desk(cell, events)
        yield opened
        opened.endings.close()


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        (Operation.GENERATE, {"prompt": "one two", "temperature": 0.5, "stop": ["x", "y"], "max_tokens": 2}),
        (Operation.GENERATE, {"prompt": [1, 2, 3], "max_tokens": 2}),
        (Operation.CHAT, {"messages": [SAID] * 3, "max_tokens": 2}),
    ],
    ids=["text", "ids", "chat"],
)
def test_what_is_short_is_on_its_way_at_once(operation: Operation, fields: dict[str, Any]) -> None:
    with desk() as opened:
        asked = opened.ask(operation, **fields)
        assert asked is not None
        assert asked.is_started
        list(asked)
        assert asked.conclude().usage.completion_tokens > 0
        assert [type(event) for event in opened.told] == [RequestAnswered]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 5_000},
        {"prompt": [1] * 100},
        {"messages": [SAID] * 100},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 5_000}]}]},
        {"messages": ["x" * 4_000, "x" * 4_000]},
        {"messages": [SAID], "tools": [{"type": "function"}]},
        {"prompt": "x", "response_format": {"type": "json_object"}},
        {"prompt": "x", "logit_bias": {"1": 1}},
        {"prompt": b"x"},
    ],
)
def test_what_takes_longer_to_check_is_left_to_a_thread(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.walks.request_walk.check_request", lambda *_: pytest.fail("it was checked"))
    with desk() as opened:
        operation = Operation.CHAT if "messages" in fields else Operation.GENERATE
        assert opened.ask(operation, **fields) is None
        assert opened.told == []


def test_what_is_refused_is_left_to_a_thread_and_not_told() -> None:
    with desk() as opened:
        assert opened.ask(prompt="x", temperature=-1) is None
        assert opened.ask(prompt="x", nonsense=1) is None
    assert opened.told == []


def test_one_whose_worker_ended_has_to_be_started() -> None:
    with desk() as opened:
        signal_worker(opened.cell)
        opened.events.wait_for(CellEnded)
        asked = opened.ask(prompt="one", max_tokens=1)
        assert asked is not None
        assert not asked.is_started
        asked.start()
        list(asked)
        assert [type(event) for event in opened.told] == [RequestAnswered]


def test_one_that_no_thread_is_left_to_start_gives_its_place_back() -> None:
    """As a model is closed while somebody asks it."""
    gate = Gate(Room(rows=1, bytes=1 << 30, largest_bytes=1 << 30))

    async def ask(opened: Any) -> None:
        threads = ThreadPoolExecutor(1)
        threads.shutdown()
        request = ParsedRequest(Operation.GENERATE, {"prompt": "one", "max_tokens": 1})
        await AsyncStream(opened, threads, request, entrance=Entrance(gate, NOBODY)).begin()

    with desk() as opened:
        signal_worker(opened.cell)
        opened.events.wait_for(CellEnded)
        with pytest.raises(RuntimeError):
            asyncio.run(ask(opened))
        assert gate.load.inside == 0
    assert [type(event) for event in opened.told] == [RequestFailed]
