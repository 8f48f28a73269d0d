"""One test for each code that a worker brings about, each by a real process that does what it is named for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, Events, make_sealed, open_cell, open_hostile, signal_worker

from ostiary import errors
from ostiary.record.events import CellEnded

pytestmark = LINUX_ONLY


def an_engine_that_is_not_there(events: Events) -> None:
    with open_cell(events, "nobody"):
        pass


def an_engine_whose_package_is_not_installed(events: Events) -> None:
    with open_hostile(events, settings={"missing": "mlx"}):
        pass


def an_abort_in_the_middle_of_a_call(events: Events) -> None:
    with open_cell(events) as cell:
        list(cell.call("end", {"how": "abort"}))


def somebody_who_kills_it(events: Events) -> None:
    with open_cell(events) as cell:
        call = cell.call("sleep", {"milliseconds": 60_000})
        signal_worker(cell)
        list(call)


def a_call_that_takes_longer_than_it_may(events: Events) -> None:
    with open_cell(events) as cell:
        list(cell.call("sleep", {"milliseconds": 60_000}, deadline_seconds=0.05))


def a_model_that_never_loads(events: Events) -> None:
    with open_hostile(events, "finish", "hang", load_seconds=1):
        pass


def a_model_that_takes_all_memory(events: Events) -> None:
    with open_hostile(events, memory_bytes=128 << 20) as cell:
        list(cell.call("do", {"what": "allocate"}))


def a_call_that_computes_without_end(events: Events) -> None:
    with open_cell(events, cpu_seconds=1) as cell:
        list(cell.call("spin"))


def a_file_opened_behind_the_wall(events: Events) -> None:
    with open_cell(events) as cell:
        list(cell.call("open", {"path": "/etc/hostname"}))


def an_answer_to_a_call_that_nobody_made(events: Events) -> None:
    with open_hostile(events) as cell:
        list(cell.call("do", {"what": "answer an unknown call"}))


def a_channel_full_of_garbage(events: Events) -> None:
    with open_hostile(events) as cell:
        list(cell.call("do", {"what": "flood of garbage"}))


def weights_that_are_not_as_long_as_was_said(events: Events) -> None:
    sealed = make_sealed()
    entries = sealed.weights

    def open_weights():
        for weights in sealed.open_weights():
            longer = type(entries[0])(
                weights.entry.path, weights.entry.size + 1, weights.entry.sha256, weights.entry.kind
            )
            weights.entry = longer
            yield weights

    with open_cell(events, sealed=type(sealed)(sealed.verified, sealed.contents, entries, open_weights)):
        pass


def an_operation_that_fails(events: Events) -> None:
    with open_cell(events) as cell:
        list(cell.call("end", {"how": "raise"}))


def an_operation_that_no_engine_has(events: Events) -> None:
    with open_cell(events) as cell:
        list(cell.call("no such operation"))


def a_call_to_a_closed_model(events: Events) -> None:
    with open_cell(events) as cell:
        cell.close()
        cell.call("echo")


def an_engine_that_does_not_know_the_architecture(events: Events) -> None:
    with open_hostile(events, "contents", "does not know the architecture"):
        pass


def an_engine_that_finds_its_limits_too_small(events: Events) -> None:
    with open_hostile(events, "contents", "finds its limits too small"):
        pass


def a_model_that_dies_and_dies(events: Events) -> None:
    with open_cell(events, restarts=0) as cell:
        signal_worker(cell)
        events.wait_for(CellEnded)
        cell.call("echo")


ACTS: list[tuple[str, Callable[[Events], None]]] = [
    ("WORKER_NOT_STARTED", an_engine_that_is_not_there),
    ("EXTRA_MISSING", an_engine_whose_package_is_not_installed),
    ("WORKER_CRASHED", an_abort_in_the_middle_of_a_call),
    ("WORKER_CRASHED", somebody_who_kills_it),
    ("WORKER_SILENT", a_call_that_takes_longer_than_it_may),
    ("WORKER_SILENT", a_model_that_never_loads),
    ("WORKER_OUT_OF_MEMORY", a_model_that_takes_all_memory),
    ("WORKER_CPU_TIME", a_call_that_computes_without_end),
    ("WORKER_VIOLATION", a_file_opened_behind_the_wall),
    ("WORKER_MALFORMED_ANSWER", an_answer_to_a_call_that_nobody_made),
    ("WORKER_MALFORMED_ANSWER", a_channel_full_of_garbage),
    ("WORKER_LOAD_FAILED", weights_that_are_not_as_long_as_was_said),
    ("WORKER_ENGINE_FAILED", an_operation_that_fails),
    ("WORKER_CALL_REFUSED", an_operation_that_no_engine_has),
    ("CELL_CLOSED", a_call_to_a_closed_model),
    ("CELL_ARCHITECTURE_NOT_ALLOWED", an_engine_that_does_not_know_the_architecture),
    ("CELL_MEMORY_BUDGET", an_engine_that_finds_its_limits_too_small),
    ("CELL_QUARANTINED", a_model_that_dies_and_dies),
]


@pytest.mark.parametrize(("code", "act"), ACTS, ids=[act.__name__ for _, act in ACTS])
def test_the_act_brings_the_code(code: str, act: Callable[[Events], None], tmp_path: Path) -> None:
    events = Events()
    with pytest.raises(errors.OstiaryError) as caught:
        act(events)
    error = caught.value
    assert error.code == code
    assert error.hint
    assert "\n" not in str(error)
    assert str(Path.home()) not in error.message
    events.check_balance()
    public = errors.render_public(error, "id")
    assert error.message not in (public.sentence, public.hint)
