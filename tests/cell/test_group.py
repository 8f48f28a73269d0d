"""Several processes of one model: who gets a call, and that one that ended is no matter to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, last_reply, make_plan, signal_worker

from ostiary.cell.group import CellGroup
from ostiary.cell.start import start_cells
from ostiary.core.frames import ReplyKind
from ostiary.errors import WORKER_CRASHED, WorkerCrashed
from ostiary.record.events import CellEnded, CellStarted

pytestmark = LINUX_ONLY

ASKED = {"prompt": "one two three", "max_tokens": 3}
SLOW = {"token_milliseconds": 60_000}


@contextmanager
def group_of(count: int, events: Events, **options: object) -> Iterator[CellGroup]:
    with start_cells(make_plan(**options), events.emit, "correlation", count) as group:  # type: ignore[arg-type]
        yield group
    events.check_balance()


def wait_for(is_so: object) -> None:
    assert callable(is_so)
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def test_calls_go_to_the_process_with_the_least_to_do() -> None:
    events = Events()
    with group_of(3, events, settings=SLOW) as group:
        calls = [group.call("generate", ASKED) for _ in range(6)]
        assert [cell.in_flight for cell in group.cells] == [2, 2, 2]
        calls[3].close()
        wait_for(lambda: group.cells[0].in_flight == 1)
        group.call("generate", ASKED)
        assert group.standings == ("running",) * 3
    assert events.kinds.count("cell.started") == 3


def test_a_process_that_ended_is_no_matter_to_the_others_and_gets_no_calls() -> None:
    events = Events()
    with group_of(2, events) as group:
        signal_worker(group.cells[0])
        wait_for(lambda: not group.cells[0].is_running)
        assert group.standings == ("resting", "running")
        assert group.standing == "running"
        kinds = [last_reply(group.call("generate", ASKED)).kind for _ in range(3)]
        assert kinds == [ReplyKind.RESULT] * 3
        assert events.kinds.count("cell.started") == 2, "nobody started another"
        signal_worker(group.cells[1])
        wait_for(lambda: group.standing == "resting")
        last_reply(group.call("generate", ASKED))
        assert events.kinds.count("cell.started") == 3, "the call did"


def test_what_ended_is_started_again_ahead_of_the_next_call() -> None:
    events = Events()
    with group_of(2, events) as group:
        signal_worker(group.cells[1])
        wait_for(lambda: not group.cells[1].is_running)
        group.revive_soon()
        wait_for(lambda: group.standings == ("running", "running"))
        assert events.wait_for(CellStarted).restart == 1
    group.revive_soon()
    wait_for(lambda: not group._is_reviving)
    assert events.kinds.count("cell.started") == 3, "what was closed stays closed"


def test_the_process_that_answered_is_the_one_that_is_objected_to() -> None:
    events = Events()
    with group_of(2, events, settings=SLOW) as group:
        first, second = (group.call("generate", ASKED) for _ in range(2))
        group.object_to("it makes no sense", second)
        with pytest.raises(Exception, match="makes no sense"):
            list(second)
        assert events.wait_for(CellEnded).cause == "malformed"
        assert group.cells[0].is_running
        first.close()


def test_all_or_none_is_started() -> None:
    events = Events()
    started = 0

    def emit(event: object) -> None:
        nonlocal started
        if isinstance(event, CellStarted):
            started += 1
            if started == 2:
                raise WorkerCrashed(WORKER_CRASHED, "no more")
        events.emit(event)  # type: ignore[arg-type]

    with pytest.raises(WorkerCrashed), start_cells(make_plan(), emit, "correlation", 3):
        pytest.fail("it was started")
    assert events.causes == ["closed"]


def test_usage_is_of_all_together() -> None:
    events = Events()
    with group_of(2, events) as group:
        for _ in range(4):
            last_reply(group.call("generate", ASKED))
        usage = group.read_usage()
        assert usage.requests == 4
        assert usage.memory_bytes is not None
        assert usage.memory_bytes > (group.cells[0].read_usage().memory_bytes or 0)
