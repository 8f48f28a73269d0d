"""Function calls that an event loop makes itself: it never waits for a disk or a worker, and nothing is told twice."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, make_sealed, open_cell, signal_worker
from function_models import BATCH, CONTRACT, list_files

from ostiary.admission import Entrance, Gate
from ostiary.admission.room import Room
from ostiary.answer import RequestEndings
from ostiary.cell.running import RunningCell
from ostiary.core.callers import NOBODY
from ostiary.core.tensors import ParsedTensors, Tensor
from ostiary.errors import (
    RECORD_UNWRITABLE,
    CallRefused,
    ContractRefused,
    RecordUnwritable,
    SandboxViolation,
    WorkerSilent,
)
from ostiary.graph.function_contract import FunctionContract, TensorOutput
from ostiary.library.async_tensors import ask_tensors
from ostiary.record.events import CellEnded, Event
from ostiary.record.request_events import RequestCancelled, RequestComputed, RequestFailed, RequestRefused
from ostiary.walks.tensor_walk import TensorsInFlight, ask_function, ask_function_at_once

pytestmark = LINUX_ONLY

ENDINGS = (RequestComputed, RequestRefused, RequestFailed, RequestCancelled)
FREE = replace(CONTRACT, dims=(replace(CONTRACT.dims[0], max=None),))


class Opened:
    """A function at work, as the library has it open; tells which threads went to the record."""

    is_closed = False

    def __init__(self, cell: RunningCell, events: Events, contract: FunctionContract) -> None:
        self.cell = cell
        self.events = events
        self.contract = contract
        self.told_by: set[int] = set()
        self.in_threads = 0
        self.is_full = False
        self.entrance: Entrance | None = None
        self.endings = RequestEndings(self._emit, "opening", cell.root)

    def _emit(self, event: Event) -> None:
        self.told_by.add(threading.get_ident())
        if self.is_full:
            raise RecordUnwritable(RECORD_UNWRITABLE, "no space left on the disk")
        self.events.emit(event)

    def ask_function(self, request: ParsedTensors, on_ready: Callable[[], None], *_: object) -> TensorsInFlight:
        self.in_threads += 1
        return ask_function(self.cell, self.contract, self.endings, request, on_ready=on_ready)

    def ask_function_at_once(
        self, request: ParsedTensors, on_ready: Callable[[], None] | None = None, *_: object
    ) -> TensorsInFlight | None:
        return ask_function_at_once(
            self.cell, self.contract, self.endings, request, on_ready=on_ready, entrance=self.entrance
        )

    def ask(self, request: ParsedTensors) -> bytes:
        """From an event loop, in this thread."""

        async def act() -> bytes:
            with ThreadPoolExecutor(2) as threads:
                answer, _ = await asyncio.wait_for(ask_tensors(cast("Any", self), threads, request), PATIENCE)
            return bytes(next(iter(answer.outputs.values())).data)

        try:
            return asyncio.run(act())
        finally:
            assert threading.get_ident() not in self.told_by, "the loop waited for the record"

    @property
    def told(self) -> Event:
        (event,) = [event for event in self.events.all if isinstance(event, ENDINGS)]
        return event


@contextmanager
def opening(contract: FunctionContract = CONTRACT) -> Iterator[Opened]:
    events = Events()
    files = dict(list_files(contract))
    sealed = make_sealed(files, {"graph.safetensors": files.pop("graph.safetensors")})
    with open_cell(events, sealed=sealed) as cell:
        opened = Opened(cell, events, contract)
        yield opened
        opened.endings.close()


def ask_for(numbers: list[float], timeout: float | None = None) -> ParsedTensors:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return ParsedTensors({"x": Tensor("FP32", (len(numbers) // 3, 3), memoryview(data))}, timeout)


def test_a_short_call_takes_no_thread_to_be_asked() -> None:
    with opening() as opened:
        assert opened.ask(ask_for([1, 2, 3])) == struct.pack("<3f", 1, 2, 3)
        assert opened.in_threads == 0
    assert isinstance(opened.told, RequestComputed)


def test_a_long_one_is_looked_at_by_a_thread() -> None:
    numbers = [1.0, 2.0, 3.0] * 10_000
    with opening(FREE) as opened:
        assert opened.ask(ask_for(numbers)) == struct.pack(f"<{len(numbers)}f", *numbers)
        assert opened.in_threads == 1
    assert isinstance(opened.told, RequestComputed)


def test_what_is_refused_is_told_once_and_by_a_thread() -> None:
    with opening() as opened:
        with pytest.raises(ContractRefused):
            opened.ask(ask_for([1, 2, 11]))
        assert opened.cell.read_usage().requests == 0
    assert isinstance(opened.told, RequestRefused)


def test_what_the_engine_does_not_take_is_told_by_a_thread() -> None:
    with opening() as opened:
        opened.contract = replace(CONTRACT, inputs=(*CONTRACT.inputs, replace(CONTRACT.inputs[0], name="z")))
        request = ask_for([1, 2, 3])
        with pytest.raises(CallRefused):
            opened.ask(replace(request, inputs={**request.inputs, "z": request.inputs["x"]}))
        assert opened.in_threads == 0
    assert isinstance(opened.told, RequestRefused)


def test_a_worker_that_gives_something_else_is_ended() -> None:
    with opening() as opened:
        opened.contract = replace(CONTRACT, outputs=(TensorOutput("y", "INT32", (BATCH, 3)),))
        with pytest.raises(SandboxViolation):
            opened.ask(ask_for([1, 2, 3]))
        assert opened.events.wait_for(CellEnded).cause == "malformed"
    assert isinstance(opened.told, RequestFailed)


def test_a_worker_that_ended_is_started_again_by_a_thread() -> None:
    with opening() as opened:
        signal_worker(opened.cell)
        opened.events.wait_for(CellEnded)
        assert opened.ask(ask_for([1, 2, 3])) == struct.pack("<3f", 1, 2, 3)
    assert isinstance(opened.told, RequestComputed)


def test_nothing_is_asked_before_the_record_heard_of_what_it_would_not_take() -> None:
    """The loop does not tell it, and does not go on without."""
    with opening() as opened:
        opened.is_full = True
        with pytest.raises(RecordUnwritable):
            opened.ask(ask_for([1, 2, 3]))
        assert opened.ask_function_at_once(ask_for([1, 2, 3])) is None
        with pytest.raises(RecordUnwritable):
            opened.ask(ask_for([1, 2, 3]))
        assert opened.cell.read_usage().requests == 1
        opened.is_full = False
        assert opened.ask(ask_for([4, 5, 6])) == struct.pack("<3f", 4, 5, 6)
    assert [event.kind for event in opened.events.all if isinstance(event, ENDINGS)] == ["request.computed"] * 2


def test_what_was_not_asked_after_all_needs_no_end() -> None:
    with opening() as opened:
        assert opened.ask_function_at_once(ask_for([1, 2, 11])) is None
    assert not [event for event in opened.events.all if isinstance(event, ENDINGS)]


def test_no_time_is_left() -> None:
    """It is for the thread to say so."""
    with opening() as opened:
        asked = opened.ask_function_at_once(ask_for([1, 2, 3], timeout=1e-9))
        assert asked is not None
        assert not asked.is_started
        with pytest.raises(WorkerSilent):
            asked.start()
    assert isinstance(opened.told, RequestFailed)


def test_a_call_that_was_let_go_of_as_it_was_answered_is_cancelled_and_did_not_fail() -> None:
    with opening() as opened:
        asked = opened.ask_function_at_once(ask_for([1, 2, 3]))
        assert asked is not None
        take = asked._placed.take

        def take_late(seconds: float | None) -> Any:
            asked.let_go()
            return take(seconds)

        asked._placed.take = take_late  # type: ignore[method-assign]
        assert asked.take(None)
        asked.cancel()
    assert isinstance(opened.told, RequestCancelled)


def test_a_call_that_no_thread_is_left_for_gives_its_place_back() -> None:
    """As a model is closed while somebody asks it."""
    gate = Gate(Room(rows=1, bytes=1 << 20, largest_bytes=1 << 20))

    async def ask(opened: Opened) -> None:
        threads = ThreadPoolExecutor(1)
        threads.shutdown()
        await asyncio.wait_for(ask_tensors(cast("Any", opened), threads, ask_for([1, 2, 3])), PATIENCE)

    with opening() as opened:
        opened.entrance = Entrance(gate, NOBODY)
        with pytest.raises(RuntimeError):
            asyncio.run(ask(opened))
        assert gate.load.inside == 0
    assert isinstance(opened.told, RequestFailed)
