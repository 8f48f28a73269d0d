"""A worker whose every byte is chosen by an attacker: it is ended, and its caller learns that and nothing else."""

from __future__ import annotations

import pytest
from cell_tools import LINUX_ONLY, Events, count_descriptors, last_reply, open_hostile

from cell.hostile_worker import WRITTEN
from ostiary.cell import call_book, idle, watchdog
from ostiary.cell.profile import Layer
from ostiary.errors import SandboxViolation, WorkerSilent
from ostiary.record.events import CellEnded

pytestmark = LINUX_ONLY

NOBODY = "a call that nobody made"
KIND = "a kind that does not belong here"
TIME = "at the wrong time"
COUNTS = "counts that are none"
LENT = "data in memory that it was not lent"
DURING_A_CALL = {
    "answer an unknown call": NOBODY,
    "answer call 0": NOBODY,
    "error on an unknown call": NOBODY,
    "claim a huge body": "claims 2,147,483,648 bytes of JSON",
    "claim a huge tail": "claims 2,147,483,648 bytes of data",
    "a kind that only the cell sends": KIND,
    "a kind of the fork server": KIND,
    "a kind that does not exist": KIND,
    "padding": KIND,
    "not JSON": "not JSON",
    "not an object": "a list, not an object",
    "not UTF-8": "not UTF-8",
    "not a number": "NaN",
    "the same key twice": "twice in one object",
    "deep JSON": "nested deeper",
    "many values": "more than 327680 values",
    "half a surrogate": "half a surrogate pair",
    "an error of the house": KIND,
    "an error of loading": KIND,
    "an error with more": "an error that is not one",
    "an error without words": "an error that is not one",
    "answer in memory that was not lent": LENT,
    "answer in lent memory and beside it": LENT,
    "let go unasked": "let go of a call that is wanted",
    "ready again": NOBODY,
    "weights taken again": NOBODY,
    "be ready too soon": NOBODY,
    "be another engine": NOBODY,
    "negative usage": COUNTS,
    "boolean usage": COUNTS,
    "usage of another kind": COUNTS,
}


def test_every_frame_is_tried() -> None:
    assert {*DURING_A_CALL, "end a call twice", "too many pieces"} == set(WRITTEN)


@pytest.mark.parametrize(("what", "reason"), DURING_A_CALL.items(), ids=DURING_A_CALL)
def test_a_frame_that_does_not_belong_there_ends_the_worker(what: str, reason: str) -> None:
    events = Events()
    with open_hostile(events) as cell:
        with pytest.raises(SandboxViolation, match=reason) as caught:
            list(cell.call("do", {"what": what}))
        assert caught.value.code == "WORKER_MALFORMED_ANSWER"
        assert events.causes == ["malformed"]
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
    assert events.causes == ["malformed", "closed"]


def test_a_second_answer_ends_the_worker_and_the_first_stands() -> None:
    events = Events()
    with open_hostile(events) as cell:
        assert last_reply(cell.call("do", {"what": "end a call twice"})).body == {}
        assert events.wait_for(CellEnded).cause == "malformed"


def test_more_pieces_than_a_call_may_have_end_the_worker() -> None:
    events = Events()
    with open_hostile(events, tokens=2_000) as cell, pytest.raises(SandboxViolation):
        list(cell.call("do", {"what": "too many pieces"}))
    assert events.causes == ["malformed"]


@pytest.mark.parametrize("what", ["flood", "flood of garbage"])
def test_a_flood_ends_the_worker_before_it_fills_our_memory(what: str) -> None:
    events = Events()
    with open_hostile(events, tokens=2_000) as cell:
        call = cell.call("do", {"what": what})
        assert events.wait_for(CellEnded).cause == "malformed"
        with pytest.raises(SandboxViolation):
            list(call)


def test_a_flood_that_keeps_to_the_format_is_one_nevertheless() -> None:
    events = Events()
    with open_hostile(events) as cell, pytest.raises(SandboxViolation, match="a flood of reports"):
        list(cell.call("do", {"what": "flood of usage"}))
    assert events.causes == ["malformed"]


@pytest.mark.parametrize("what", ["half a frame", "hang"])
def test_half_an_answer_is_none(what: str) -> None:
    events = Events()
    with open_hostile(events) as cell:
        with pytest.raises(WorkerSilent):
            list(cell.call("do", {"what": what}, deadline_seconds=0.1))
        assert events.wait_for(CellEnded).cause == "wall_time"


@pytest.mark.parametrize("what", ["close the channel", "shut the channel"])
def test_a_worker_that_closes_its_channel_and_lives_on_is_ended(what: str) -> None:
    events = Events()
    with open_hostile(events, without=(Layer.SECCOMP,)) as cell, pytest.raises(SandboxViolation, match="lived on"):
        list(cell.call("do", {"what": what}))
    assert events.causes == ["malformed"]


def test_a_worker_that_takes_forever_to_cancel_is_ended() -> None:
    events = Events()
    with open_hostile(events, "cancel", "hang") as cell:
        with pytest.raises(WorkerSilent):
            list(cell.call("sleep", {"milliseconds": 60_000}, deadline_seconds=0.1))
        assert events.wait_for(CellEnded).cause == "wall_time"


def test_descriptors_that_a_worker_sends_never_arrive() -> None:
    """The wall does not let it send any; without that layer the kernel drops them here."""
    events = Events()
    with open_hostile(events) as cell, pytest.raises(SandboxViolation):
        list(cell.call("do", {"what": "send a descriptor"}))
    with open_hostile(Events(), without=(Layer.SECCOMP,)) as cell:
        before = count_descriptors()
        with pytest.raises((SandboxViolation, WorkerSilent)):
            list(cell.call("do", {"what": "send a descriptor"}, deadline_seconds=0.5))
        assert count_descriptors() <= before


def test_what_a_worker_says_of_an_error_is_shown_on_one_line_and_not_to_strangers() -> None:
    from ostiary.errors import LoadFailed, render_public

    assert LoadFailed.codes
    events = Events()
    with open_hostile(events) as cell, pytest.raises(SandboxViolation) as caught:
        list(cell.call("do", {"what": "an error of the house"}))
    shown = render_public(caught.value, "c")
    assert "house" not in shown.sentence


def test_a_flood_of_reports_from_an_idle_worker_ends_it() -> None:
    """No call has a deadline that would."""
    events = Events()
    with open_hostile(events) as cell:
        assert last_reply(cell.call("do", {"what": "flood of usage from a thread"})).body == {}
        assert events.wait_for(CellEnded).cause == "malformed"


@pytest.mark.parametrize(("what", "cause"), [("spin in a thread", "cpu"), ("allocate in a thread", "memory")])
def test_what_goes_on_in_an_idle_worker_ends_it(what: str, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call has limits that would, and without this layer the kernel has none."""
    monkeypatch.setattr(idle, "MAX_IDLE_CPU_MS", 10 if cause == "cpu" else 10**9)
    monkeypatch.setattr(watchdog, "_IDLE_INTERVAL_SECONDS", 0.02)
    events = Events()
    with open_hostile(events, memory_bytes=600 << 20, without=(Layer.RESOURCES,)) as cell:
        assert last_reply(cell.call("do", {"what": what})).body == {}
        assert events.wait_for(CellEnded).cause == cause
        assert last_reply(cell.call("echo")).body == {}


def test_more_json_than_one_call_may_be_answered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_book, "MAX_ANSWER_BODY_BYTES", 1_000)
    events = Events()
    with open_hostile(events) as cell, pytest.raises(SandboxViolation, match="more than one call"):
        list(cell.call("count", {"to": 1_000}))
    assert events.causes == ["malformed"]
