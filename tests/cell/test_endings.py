"""Every way in which a worker can end, at every step: a typed error, one event, and a caller that goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from cell_tools import (
    LINUX_ONLY,
    PATIENCE,
    Events,
    find_worker,
    last_reply,
    make_plan,
    make_sealed,
    open_cell,
    open_hostile,
    signal_worker,
)

from ostiary._hazmat.pidfd import send_signal, wait_for_end
from ostiary.cell.process import CellProcess
from ostiary.cell.profile import Layer
from ostiary.cell.quarantine import Quarantine
from ostiary.cell.start import start_cell
from ostiary.errors import (
    RECORD_UNWRITABLE,
    CellRefused,
    OstiaryError,
    RecordUnwritable,
    SandboxViolation,
    VaultRefused,
    WorkerCrashed,
    WorkerFault,
    WorkerNotStarted,
    WorkerOutOfMemory,
    WorkerOutOfTime,
    WorkerSilent,
)
from ostiary.record.events import CellCallDenied, CellEnded, Event

pytestmark = LINUX_ONLY

LOADING = ("contents", "weights", "finish")


# --- before the wall, and while loading: refused, never started ---


@pytest.mark.parametrize("do", ["abort", "exit 3", "exit 0"])
def test_an_engine_that_ends_its_process_before_the_wall(do: str) -> None:
    events = Events()
    with pytest.raises(WorkerNotStarted), open_hostile(events, "make", do):
        pass
    assert events.kinds == ["cell.refused"]


@pytest.mark.parametrize("at", LOADING)
@pytest.mark.parametrize(
    ("do", "error"),
    [
        ("abort", WorkerCrashed),
        ("exit 3", WorkerCrashed),
        ("exit 0", WorkerCrashed),
        ("close the channel", SandboxViolation),
        ("flood of garbage", SandboxViolation),
        ("be another engine", SandboxViolation),
        ("answer an unknown call", SandboxViolation),
        ("weights taken again", SandboxViolation),
        ("an error of the house", SandboxViolation),
    ],
)
def test_a_worker_that_ends_while_it_loads(at: str, do: str, error: type[WorkerFault]) -> None:
    events = Events()
    with pytest.raises(error) as caught, open_hostile(events, at, do):
        pass
    assert events.kinds == ["cell.refused"]
    assert events.refusals == [caught.value.code]
    assert caught.value.correlation_id == "correlation"


@pytest.mark.parametrize("at", LOADING)
@pytest.mark.parametrize("do", ["half a frame", "hang"])
def test_a_worker_that_does_not_end_loading(at: str, do: str) -> None:
    events = Events()
    with pytest.raises(WorkerSilent, match="did not load"), open_hostile(events, at, do, load_seconds=1):
        pass
    assert events.kinds == ["cell.refused"]


def test_a_worker_that_says_that_it_is_ready_before_it_has_the_weights() -> None:
    events = Events()
    with pytest.raises(SandboxViolation), open_hostile(events, "contents", "be ready too soon"):
        pass
    assert events.kinds == ["cell.refused"]


def test_weights_that_changed_while_they_were_loaded_leave_no_process() -> None:
    """What the vault says comes out as it is, and the vault alone tells the record."""
    sealed = make_sealed()
    from ostiary.errors import VAULT_CHANGED

    def open_weights():
        for weights in sealed.open_weights():
            weights.finish = _refuse
            yield weights

    def _refuse() -> None:
        raise VaultRefused(VAULT_CHANGED, "it changed", path="model-1.safetensors")

    events = Events()
    changing = type(sealed)(sealed.verified, sealed.contents, sealed.weights, open_weights)
    with pytest.raises(VaultRefused), open_cell(events, sealed=changing):
        pass
    assert events.kinds == []


def test_a_record_that_cannot_be_written_starts_nothing() -> None:
    told: list[str] = []

    def emit(event: Event) -> None:
        told.append(event.kind)
        raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        start_cell(make_plan(), emit, "c")
    assert told == ["cell.started", "cell.refused"]


def test_a_record_that_fails_at_the_end_is_told_to_whoever_closes() -> None:
    def emit(event: Event) -> None:
        if isinstance(event, CellEnded):
            raise OSError(28, "disk full")

    cell = start_cell(make_plan(), emit, "c")
    worker = os.dup(find_worker(cell))
    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            cell.close()
    assert wait_for_end(worker, 0)
    os.close(worker)


def test_a_failure_of_our_own_at_the_end_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> object:
        raise MemoryError

    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: seen.append(told.exc_type))
    with start_cell(make_plan(), Events().emit, "c") as cell:
        call = cell.call("hang")
        monkeypatch.setattr(CellProcess, "_describe_ending", fail)
        signal_worker(cell)
        with pytest.raises(OstiaryError):
            list(call)
        assert cell._process is not None
        assert cell._process._pump.join(PATIENCE)
        monkeypatch.undo()
        assert last_reply(cell.call("echo")).body == {}
    assert seen == [MemoryError]


# --- idle, and in the middle of a call ---

ENDS = [
    ("abort", WorkerCrashed, "crash", signal.SIGABRT, None),
    ("address", WorkerCrashed, "crash", signal.SIGSEGV, None),
    ("exit", WorkerCrashed, "crash", None, 9),
    ("forbidden", SandboxViolation, "violation", signal.SIGKILL, None),
]


@pytest.mark.parametrize(("how", "error", "cause", "number", "status"), ENDS)
def test_a_worker_that_ends_in_the_middle_of_a_call(
    how: str, error: type[WorkerFault], cause: str, number: int | None, status: int | None
) -> None:
    events = Events()
    with open_cell(events) as cell:
        others = [cell.call("sleep", {"milliseconds": 60_000}) for _ in range(3)]
        with pytest.raises(error):
            list(cell.call("end", {"how": how, "status": 9}))
        assert events.causes == [cause]  # the record knew first
        for other in others:
            with pytest.raises(error):
                list(other)
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
    assert events.causes == [cause, "closed"]
    ended = next(event for event in events.all if isinstance(event, CellEnded))
    assert (ended.signal, ended.status) == (number, status)


def test_a_denied_call_reaches_the_record_by_its_name() -> None:
    events = Events()
    with open_cell(events) as cell:
        with pytest.raises(SandboxViolation, match="openat"):
            list(cell.call("open", {"path": "/etc/hostname"}))
        denied = next(event for event in events.all if isinstance(event, CellCallDenied))
        assert denied.call == "openat"
        assert all(argument.startswith("0x") for argument in denied.arguments)
    assert events.kinds == ["cell.started", "cell.call_denied", "cell.ended"]
    assert {event.cell for event in events.all} == {denied.cell}  # type: ignore[attr-defined]


def test_a_worker_that_somebody_kills_while_it_is_idle() -> None:
    events = Events()
    with open_cell(events) as cell:
        signal_worker(cell)
        assert events.wait_for(CellEnded).cause == "killed"
        assert last_reply(cell.call("echo")).body == {}
    assert events.causes == ["killed", "closed"]


def test_a_worker_that_somebody_kills_in_the_middle_of_a_call() -> None:
    events = Events()
    with open_cell(events) as cell:
        call = cell.call("sleep", {"milliseconds": 60_000})
        signal_worker(cell)
        with pytest.raises(WorkerCrashed, match="somebody"):
            list(call)
        assert events.causes == ["killed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_other_signals_end_it_too_and_are_named(number: signal.Signals) -> None:
    events = Events()
    with open_cell(events) as cell:
        call = cell.call("sleep", {"milliseconds": 60_000})
        signal_worker(cell, number)
        with pytest.raises(WorkerCrashed, match=number.name):
            list(call)
    assert events.causes == ["killed"]


def test_what_was_answered_before_the_end_still_arrives() -> None:
    events = Events()
    with open_hostile(events) as cell:
        assert last_reply(cell.call("do", {"what": "answer and exit"})).body == {"last": "words"}
        assert events.wait_for(CellEnded).requests == 1
    assert events.causes == ["crash"]


# --- limits ---


def test_memory_a_little_at_a_time() -> None:
    events = Events()
    with open_cell(events, memory_bytes=600 << 20) as cell, pytest.raises(WorkerOutOfMemory):
        list(cell.call("grow", {"bytes": 1 << 40}))
    assert set(events.causes) <= {"memory", "closed"}


def test_memory_beyond_the_kernels_limit_where_only_the_watchdog_is_left() -> None:
    events = Events()
    with open_cell(events, memory_bytes=600 << 20, without=(Layer.RESOURCES,)) as cell:
        with pytest.raises(WorkerOutOfMemory, match="memory limit"):
            list(cell.call("grow", {"bytes": 1 << 40}))
        assert events.causes == ["memory"]
        assert last_reply(cell.call("echo")).body == {}


def test_processor_time() -> None:
    events = Events()
    with open_cell(events, cpu_seconds=1) as cell:
        with pytest.raises(WorkerOutOfTime):
            list(cell.call("spin"))
        assert last_reply(cell.call("echo")).body == {}
    assert events.causes == ["cpu", "closed"]


def test_whose_process_used_up_the_processor_time_of_another_call_may_ask_again() -> None:
    events = Events()
    with open_cell(events, cpu_seconds=2) as cell:
        first = cell.call("burn", {"milliseconds": 60_000})
        before, end = cell.read_usage().cpu_milliseconds, time.monotonic() + PATIENCE
        while cell.read_usage().cpu_milliseconds < before + 1_000:
            assert time.monotonic() < end
            threading.Event().wait(0.01)
        later = cell.call("burn", {"milliseconds": 60_000})  # ended when it had a second
        with pytest.raises(WorkerOutOfTime):
            list(first)
        with pytest.raises(WorkerCrashed, match="another call's processor time") as caught:
            list(later)
        assert not caught.value.is_from_outside
    assert events.causes == ["cpu"]


def test_processor_time_is_counted_for_each_call() -> None:
    """Three calls of more than half of it each, one after the other, in one process."""
    events = Events()
    with open_cell(events, cpu_seconds=1, wall_seconds=20) as cell:
        for _ in range(3):
            _use_processor(cell, 600)
    assert events.causes == ["closed"]


def test_a_worker_that_lets_nothing_go_is_ended_after_the_deadline() -> None:
    events = Events()
    with open_cell(events) as cell:
        other = cell.call("echo", deadline_seconds=PATIENCE)
        list(other)
        hanging = cell.call("hang", deadline_seconds=0.1)
        with pytest.raises(WorkerSilent):
            list(hanging)
        assert events.wait_for(CellEnded).cause == "wall_time"
        assert last_reply(cell.call("echo")).body == {}


def test_the_limit_on_wall_time_holds_where_the_caller_sets_none() -> None:
    events = Events()
    with open_cell(events, wall_seconds=1) as cell:
        with pytest.raises(WorkerSilent):
            list(cell.call("hang"))
        assert events.wait_for(CellEnded).cause == "wall_time"


def test_a_stopped_worker_is_ended_after_the_deadline() -> None:
    events = Events()
    with open_cell(events) as cell:
        call = cell.call("count", {"to": 2_000}, deadline_seconds=0.2)
        signal_worker(cell, signal.SIGSTOP)
        with pytest.raises(WorkerSilent):
            list(call)
        assert events.wait_for(CellEnded).cause == "wall_time"


def test_a_worker_that_is_stopped_while_it_has_nothing_to_do_is_ended_and_the_next_call_answered() -> None:
    events = Events()
    with open_cell(events) as cell:
        signal_worker(cell, signal.SIGSTOP)
        assert cell.standing == "running"
        assert events.wait_for(CellEnded).cause == "stopped"
        assert cell.standing == "resting"
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
    assert events.causes == ["stopped", "closed"]


def test_a_worker_that_is_stopped_at_work_is_ended_long_before_its_deadline() -> None:
    events = Events()
    with open_cell(events, wall_seconds=600) as cell:
        call = cell.call("hang")
        signal_worker(cell, signal.SIGSTOP)
        with pytest.raises(WorkerCrashed, match="somebody stopped the worker") as caught:
            list(call)
        assert caught.value.is_from_outside
    assert events.causes == ["stopped"]


def test_a_worker_that_is_stopped_while_it_loads_is_not_waited_for_as_long_as_loading_may_take() -> None:
    events = Events()
    with open_cell(events, load_seconds=600) as cell:
        signal_worker(cell)
        events.wait_for(CellEnded)

        def stop_the_next(process: CellProcess, sealed: object) -> object:
            assert process._birth.process is not None
            send_signal(process._birth.process, signal.SIGSTOP)
            return load(process, sealed)

        load = CellProcess.load
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CellProcess, "load", stop_the_next)
            with pytest.raises(WorkerCrashed, match="somebody stopped"):
                cell.call("echo")
        assert last_reply(cell.call("echo")).body == {}


def test_a_stopped_worker_that_is_let_go_on_in_time_answers() -> None:
    events = Events()
    with open_cell(events) as cell:
        signal_worker(cell, signal.SIGSTOP)
        call = cell.call("echo", {"a": 1})
        signal_worker(cell, signal.SIGCONT)
        assert last_reply(call).body == {"a": 1}
    assert events.causes == ["closed"]


# --- again, and not too often ---


def test_a_process_that_ended_is_started_again_with_the_same_model() -> None:
    events = Events()
    with open_cell(events) as cell:
        facts = cell.facts
        signal_worker(cell)
        events.wait_for(CellEnded)
        list(cell.call("echo"))
        assert cell.facts == facts
    assert [event.restart for event in events.all if event.kind == "cell.started"] == [0, 1]  # type: ignore[attr-defined]


def test_a_model_that_ends_too_often_is_not_started_any_more(tmp_path: Path) -> None:
    events = Events()
    quarantine = Quarantine(tmp_path, events.emit)
    plan = make_plan(restarts=1, quarantine=quarantine)
    with start_cell(plan, events.emit, "c") as cell:
        for _ in range(2):
            with pytest.raises(WorkerCrashed):
                list(cell.call("end", {"how": "abort"}))
        with pytest.raises(CellRefused, match="CELL_QUARANTINED"):
            cell.call("echo")
    with pytest.raises(CellRefused, match="CELL_QUARANTINED"):
        start_cell(plan, events.emit, "c")
    assert events.kinds == [
        "cell.started",
        "cell.ended",
        "cell.started",
        "cell.ended",
        "model.quarantined",
        "cell.refused",
        "cell.refused",
    ]
    quarantine.release(plan.root, "c")
    with start_cell(plan, events.emit, "c") as cell:
        assert last_reply(cell.call("echo")).body == {}


def test_without_a_quarantine_one_cell_counts_for_itself() -> None:
    events = Events()
    with open_cell(events, restarts=0) as cell:
        signal_worker(cell)
        events.wait_for(CellEnded)
        with pytest.raises(CellRefused, match="CELL_QUARANTINED"):
            cell.call("echo")


def test_a_model_that_ends_while_it_loads_is_counted_too(tmp_path: Path) -> None:
    events = Events()
    quarantine = Quarantine(tmp_path, events.emit)
    with pytest.raises(WorkerCrashed), open_hostile(events, "finish", "abort", quarantine=quarantine, restarts=0):
        pass
    assert events.kinds == ["model.quarantined", "cell.refused"]


def test_whoever_calls_during_the_pause_waits_or_is_told_when() -> None:
    events = Events()
    with open_cell(events, restarts=9) as cell:
        for _ in range(3):
            cause = len(events.causes)
            signal_worker(cell)
            while len(events.causes) == cause:
                events.wait_for(CellEnded)
            if cause < 2:
                list(cell.call("echo"))
        with pytest.raises(WorkerNotStarted, match="the next one starts in"):
            cell.call("echo", deadline_seconds=0.1)
        assert last_reply(cell.call("echo")).body == {}


def test_many_callers_start_one_process_again() -> None:
    events = Events()
    with open_cell(events) as cell:
        signal_worker(cell)
        events.wait_for(CellEnded)
        errors: list[OstiaryError] = []

        def ask() -> None:
            try:
                list(cell.call("echo"))
            except OstiaryError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert errors == []
        assert events.kinds == ["cell.started", "cell.ended", "cell.started"]


def test_closing_leaves_no_process_behind() -> None:
    import os

    with open_cell(Events()) as cell:
        process = os.dup(find_worker(cell))
    assert wait_for_end(process, PATIENCE)
    os.close(process)


def _use_processor(cell, milliseconds: int) -> None:
    used = cell.read_usage().cpu_milliseconds
    call = cell.call("burn", {"milliseconds": milliseconds})
    list(call)
    assert cell.read_usage().cpu_milliseconds - used >= milliseconds - 50


class Full(Events):
    """A record that takes nothing while it is full."""

    is_full = False

    def emit(self, event: Event) -> None:
        if self.is_full:
            raise RecordUnwritable(RECORD_UNWRITABLE, "no room")
        super().emit(event)


def test_an_end_that_the_record_would_not_take_is_told_before_the_next_start() -> None:
    events = Full()
    with open_cell(events, restarts=1) as cell:
        events.is_full = True
        with pytest.raises(WorkerCrashed):
            list(cell.call("end", {"how": "abort"}))
        for _ in range(2):
            with pytest.raises(RecordUnwritable):
                cell.call("echo")
        events.is_full = False
        assert last_reply(cell.call("echo")).body == {}
        assert events.kinds == ["cell.started", "cell.ended", "cell.started"]
        with pytest.raises(WorkerCrashed):
            list(cell.call("end", {"how": "abort"}))
        with pytest.raises(CellRefused) as caught:  # the first one counted as well
            cell.call("echo")
    assert caught.value.code == "CELL_QUARANTINED"


def test_a_record_that_is_full_at_the_end_is_told_once_there_is_room() -> None:
    events = Full()
    cell = start_cell(make_plan(), events.emit, "correlation")
    events.is_full = True
    with pytest.raises(RecordUnwritable):
        cell.close()
    events.is_full = False
    cell.close()
    cell.close()
    assert events.kinds == ["cell.started", "cell.ended"]
