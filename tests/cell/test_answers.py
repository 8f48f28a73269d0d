"""Calls and their answers, through real processes behind the whole wall."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, last_reply, make_plan, make_sealed, open_cell, signal_worker

from ostiary.cell import answers, call_book, lent, pump
from ostiary.cell.start import start_cell
from ostiary.core.frames import ReplyKind
from ostiary.core.limits import (
    MAX_CALLS_IN_FLIGHT,
    MAX_FRAME_BODY_BYTES,
    MAX_FRAME_TAIL_BYTES,
    MAX_FRAME_VALUES,
    MAX_JSON_DEPTH,
)
from ostiary.errors import CallRefused, EngineFailed, Misuse, WorkerOutOfMemory, WorkerSilent

pytestmark = LINUX_ONLY


def test_a_call_is_answered_as_it_was_sent() -> None:
    events = Events()
    with open_cell(events) as cell:
        reply = last_reply(cell.call("echo", {"a": [1, 2.5, "ä\n", None, {"b": True}]}, b"\0tail\xff"))
        assert reply.kind is ReplyKind.RESULT
        assert reply.body == {"a": [1, 2.5, "ä\n", None, {"b": True}]}
        assert bytes(reply.tail) == b"\0tail\xff"
    assert events.kinds == ["cell.started", "cell.ended"]
    assert events.causes == ["closed"]


def test_the_model_went_in_whole_and_its_weights_were_finished() -> None:
    sealed = make_sealed(
        {"a.json": b"[]", "b/c.txt": b""}, {"x.safetensors": b"\1\2", "y.safetensors": b"\3" * 3_000_000}
    )
    handed_out = []

    def open_weights():
        for weights in sealed.open_weights():
            handed_out.append(weights)
            yield weights

    watched = type(sealed)(sealed.verified, sealed.contents, sealed.weights, open_weights)
    with open_cell(Events(), sealed=watched) as cell:
        assert cell.facts == {
            "files": ["a.json", "b/c.txt"],
            "weights": {"x.safetensors": 3, "y.safetensors": 9_000_000},
        }
    assert [weights.is_finished for weights in handed_out] == [True, True]


def test_pieces_come_in_order_and_the_result_is_last() -> None:
    with open_cell(Events()) as cell:
        replies = list(cell.call("count", {"to": 50}))
    assert [reply.body.get("number") for reply in replies] == [*range(50), None]
    assert [reply.kind for reply in replies] == [ReplyKind.PIECE] * 50 + [ReplyKind.RESULT]


def test_many_threads_have_many_calls_and_each_its_own_answers() -> None:
    wrong: list[object] = []
    with open_cell(Events()) as cell:

        def ask(thread: int) -> None:
            for turn in range(20):
                own = f"{thread}-{turn}"
                replies = list(cell.call("count", {"to": thread}))
                if len(replies) != thread + 1 or last_reply(cell.call("echo", {"own": own})).body != {"own": own}:
                    wrong.append(own)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert cell.read_usage().requests == 8 * 20 * 2
    assert wrong == []


def test_a_long_call_does_not_keep_short_ones_waiting() -> None:
    with open_cell(Events()) as cell:
        slow = cell.call("sleep", {"milliseconds": 60_000})
        assert last_reply(cell.call("echo", {"quick": 1})).body == {"quick": 1}
        slow.close()


def test_a_large_tail_goes_in_and_comes_out() -> None:
    tail = bytes(range(256)) * (64 << 12)
    with open_cell(Events()) as cell:
        assert bytes(last_reply(cell.call("echo", {}, tail)).tail) == tail


def _nest(levels: int) -> list[object]:
    nested: list[object] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def test_what_does_not_fit_a_frame_is_refused_and_the_cell_goes_on() -> None:
    with open_cell(Events()) as cell:
        with pytest.raises(CallRefused):
            cell.call(b"echo")  # type: ignore[arg-type]
        for body, tail in (
            ({"a": "x" * (MAX_FRAME_BODY_BYTES + 1)}, b""),
            ({"a": float("nan")}, b""),
            ({"a": "\ud800"}, b""),
            ({"a": {1, 2}}, b""),
            ([1], b""),
            ("{}", b""),
            (0, b""),
            ({"a": _nest(MAX_JSON_DEPTH)}, b""),
            ({"a": _nest(100_000)}, b""),
            ({"a": [0] * MAX_FRAME_VALUES}, b""),
            ({"a": 1 << 64}, b""),
            ({"1": 0, 1: 0}, b""),
            ({}, "text"),
            ({}, memoryview(bytes(9))[::2]),
            ({}, memoryview(bytearray(1)).cast("B")[:0].tobytes() + bytes(MAX_FRAME_TAIL_BYTES + 1)),
        ):
            with pytest.raises(CallRefused):
                cell.call("echo", body, tail)  # type: ignore[arg-type]
        assert last_reply(cell.call("echo")).body == {}
        assert cell.read_usage().calls == 0


@pytest.mark.parametrize(
    ("operation", "body", "error"),
    [
        ("no such operation", {}, CallRefused),
        ("count", {"to": "many"}, CallRefused),
        ("end", {"how": "raise"}, EngineFailed),
        ("end", {"how": "panic"}, EngineFailed),
        ("end", {"how": "recurse"}, EngineFailed),
        ("end", {"how": "ask for all memory"}, WorkerOutOfMemory),
    ],
)
def test_what_fails_one_call_fails_no_other(
    operation: str, body: dict[str, object], error: type[Exception]
) -> None:
    events = Events()
    with open_cell(events) as cell:
        before = cell.call("sleep", {"milliseconds": 1})
        with pytest.raises(error) as caught:
            list(cell.call(operation, body))  # type: ignore[arg-type]
        assert "not shown" not in str(caught.value)
        if body.get("how") != "panic":  # what no `step` may raise ends all that were in flight
            assert last_reply(before).kind is ReplyKind.RESULT
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
    assert events.causes == ["closed"]


def test_a_worker_that_takes_too_much_of_our_time_waits_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_READING_MS", 1)
    waited, is_left, note = [], answers.ReadingTime.is_left, answers.ReadingTime.note

    def watch(reading: answers.ReadingTime, now: float) -> bool:
        waited.append(not is_left(reading, now))
        return not waited[-1]

    monkeypatch.setattr(answers.ReadingTime, "is_left", watch)
    monkeypatch.setattr(answers.ReadingTime, "note", lambda reading, _seconds: note(reading, 0.01))
    events = Events()
    with open_cell(events) as cell:
        for _ in range(5):
            assert len(list(cell.call("count", {"to": 3}))) == 4
    assert any(waited)
    assert events.causes == ["closed"]


def test_what_is_left_early_is_cancelled_and_frees_its_place() -> None:
    with open_cell(Events()) as cell:
        call = cell.call("count", {"to": 1_000})
        assert next(call).body == {"number": 0}
        call.close()
        with pytest.raises(StopIteration):
            next(call)
        with cell.call("sleep", {"milliseconds": 60_000}):
            pass
        cell.call("sleep", {"milliseconds": 60_000})  # nobody holds it
        _wait_until(lambda: cell.read_usage().calls == 0)
        assert last_reply(cell.call("echo")).body == {}


def test_a_call_ends_at_its_deadline_and_the_process_goes_on() -> None:
    events = Events()
    with open_cell(events) as cell:
        with pytest.raises(WorkerSilent):
            list(cell.call("sleep", {"milliseconds": 60_000}, deadline_seconds=0.05))
        _wait_until(lambda: cell.read_usage().calls == 0)
        assert last_reply(cell.call("echo")).body == {}
    assert events.causes == ["closed"]


def test_nobody_has_to_wait_to_learn_that_an_answer_is_there() -> None:
    ready = threading.Semaphore(0)
    with open_cell(Events()) as cell:
        call = cell.call("count", {"to": 2}, on_ready=ready.release)
        numbers = []
        for _ in range(3):
            assert ready.acquire(timeout=PATIENCE)
            reply = call.take()
            assert reply is not None
            numbers.append(reply.body.get("number"))
        with pytest.raises(StopIteration):
            call.take()
        assert numbers == [0, 1, None]
        waiting = cell.call("sleep", {"milliseconds": 60_000})
        assert waiting.take() is None
        assert waiting.take(0.01) is None
        waiting.close()


def test_a_caller_that_does_not_read_makes_the_worker_wait_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_book, "MAX_UNREAD_REPLY_BYTES", 100_000)
    with open_cell(Events(), tokens=100_000) as cell:
        slow = cell.call("count", {"to": 20_000})
        book = cell._process._calls  # type: ignore[union-attr]
        _wait_until(lambda: book.is_full)
        assert book._unread_bytes < 1_000_000  # no more than what one read brings
        assert [reply.body.get("number") for reply in slow] == [*range(20_000), None]
        _wait_until(lambda: not book.is_full)
        assert last_reply(cell.call("echo")).body == {}


def test_a_caller_that_never_reads_holds_nobody_up_for_longer_than_its_own_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_book, "MAX_UNREAD_REPLY_BYTES", 100_000)
    with open_cell(Events(), tokens=100_000) as cell:
        slow = cell.call("count", {"to": 20_000}, deadline_seconds=1.0)
        book = cell._process._calls  # type: ignore[union-attr]
        _wait_until(lambda: book.is_full)
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
        with pytest.raises(WorkerSilent):
            list(slow)


def test_a_caller_waits_for_room_and_not_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "MAX_UNSENT_BYTES", 1 << 20)
    monkeypatch.setattr(lent, "LARGE_BYTES", 1 << 30)  # all goes through the channel
    with open_cell(Events()) as cell:
        signal_worker(cell, signal.SIGSTOP)
        queued = cell.call("echo", {}, bytes(8 << 20), deadline_seconds=PATIENCE)
        with pytest.raises(WorkerSilent):
            cell.call("echo", {}, bytes(8 << 20), deadline_seconds=0.1)
        assert cell.read_usage().calls == 1
        queued.close()


def test_more_calls_than_a_worker_may_have_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_book, "MAX_CALLS_IN_FLIGHT", 3)
    assert MAX_CALLS_IN_FLIGHT > 3
    with open_cell(Events()) as cell:
        calls = [cell.call("sleep", {"milliseconds": 60_000}) for _ in range(3)]
        with pytest.raises(WorkerSilent):
            cell.call("echo", deadline_seconds=0.05)
        waiting = threading.Thread(target=lambda: results.extend(cell.call("echo", {"late": 1})))
        results: list[object] = []
        waiting.start()
        calls[0].close()
        waiting.join(PATIENCE)
        assert len(results) == 1
        for call in calls:
            call.close()


def test_usage_is_told_while_it_works() -> None:
    with open_cell(Events()) as cell:
        before = cell.read_usage()
        list(cell.call("grow", {"bytes": 64 << 20}))
        list(cell.call("count", {"to": 100}))
        _wait_until(lambda: cell.read_usage().tokens == 100)
        after = cell.read_usage()
        assert before.memory_bytes is not None
        assert after.memory_bytes is not None
        assert after.memory_bytes - before.memory_bytes > 60 << 20
        assert (after.calls, after.requests) == (0, 2)


def test_a_closed_cell_takes_no_calls_and_can_be_closed_again() -> None:
    events = Events()
    with start_cell(make_plan(), events.emit, "c") as cell:
        waiting = cell.call("sleep", {"milliseconds": 60_000})
        cell.close()
        with pytest.raises(Misuse) as in_flight:
            next(waiting)
        with pytest.raises(Misuse) as afterwards:
            cell.call("echo")
        assert {in_flight.value.code, afterwards.value.code} == {"CELL_CLOSED"}
        cell.close()
    assert events.causes == ["closed"]
    assert cell.read_usage().calls == 0


def test_closing_from_another_thread_wakes_whoever_waits() -> None:
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            list(cell.call("hang"))
        except Misuse as error:
            errors.append(error)

    with open_cell(Events()) as cell:
        waiting = threading.Thread(target=wait)
        waiting.start()
        _wait_until(lambda: cell.read_usage().calls == 1)
        cell.close()
        waiting.join(PATIENCE)
    assert len(errors) == 1


def test_a_cell_that_nobody_closed_is_ended_and_complained_about() -> None:
    events = Events()
    cell = start_cell(make_plan(), events.emit, "c")
    with pytest.warns(ResourceWarning, match="not closed"):
        del cell
    events.wait_for(type(events.all[0]))
    _wait_until(lambda: events.causes == ["closed"])


def _wait_until(is_so) -> None:
    """For what has no event: looked at often, and given up late."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)
