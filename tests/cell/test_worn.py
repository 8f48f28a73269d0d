"""MLX leaves a task behind with each failure, until nothing is answered any more: before that, another worker goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, Events, last_reply, open_cell

from ostiary.cell.quarantine import Quarantine
from ostiary.cell.running import RunningCell
from ostiary.core.limits import MAX_FAILURES_BEFORE_REST, MAX_FAILURES_OF_A_WORKER
from ostiary.errors import EngineFailed, WorkerCrashed

pytestmark = LINUX_ONLY


def fail(cell: RunningCell, times: int) -> None:
    for _ in range(times):
        with pytest.raises(EngineFailed):
            list(cell.call("end", {"how": "raise"}))


def echo(cell: RunningCell) -> object:
    return last_reply(cell.call("echo", {"a": 1})).body


def test_a_worker_in_which_the_engine_failed_often_gives_way_to_another_unnoticed() -> None:
    events = Events()
    with open_cell(events) as cell:
        fail(cell, MAX_FAILURES_BEFORE_REST - 1)
        assert echo(cell) == {"a": 1}
        assert events.causes == []
        fail(cell, 1)
        assert echo(cell) == {"a": 1}
        assert events.causes == ["replaced"]
    assert events.causes == ["replaced", "closed"]


def test_one_that_is_asked_all_the_time_gives_way_as_well() -> None:
    events = Events()
    with open_cell(events) as cell:
        asked = cell.call("sleep", {"milliseconds": 60_000})
        fail(cell, MAX_FAILURES_OF_A_WORKER)
        with pytest.raises(WorkerCrashed, match="another takes over"):
            list(asked)
        assert echo(cell) == {"a": 1}
    assert events.causes == ["replaced", "closed"]


def test_giving_way_is_nothing_that_a_model_is_quarantined_for(tmp_path: Path) -> None:
    events = Events()
    with open_cell(events, quarantine=Quarantine(tmp_path, events.emit), restarts=0) as cell:
        for _ in range(3):
            fail(cell, MAX_FAILURES_BEFORE_REST)
        assert echo(cell) == {"a": 1}
    assert events.causes == ["replaced"] * 3 + ["closed"]


def test_refusals_wear_nothing_out() -> None:
    events = Events()
    with open_cell(events) as cell:
        for _ in range(MAX_FAILURES_OF_A_WORKER + 1):
            with pytest.raises(Exception, match="no such operation"):
                list(cell.call("nothing"))
        assert echo(cell) == {"a": 1}
    assert events.causes == ["closed"]
