"""The book of calls and the calls themselves, without any process."""

from __future__ import annotations

import errno
import gc
import json
import threading
import time
import tracemalloc
from asyncio import CancelledError

import pytest

from ostiary.cell import call_book
from ostiary.cell.answers import UsageAllowance, parse_error, parse_usage
from ostiary.cell.call_book import CallBook
from ostiary.cell.calls import CallInFlight
from ostiary.cell.lent import Loan
from ostiary.core.frames import ErrorName, Frame, FrameMalformed, FromWorker, ReplyKind
from ostiary.core.limits import MAX_USAGE_FRAMES
from ostiary.errors import (
    CELL_CLOSED,
    CallRefused,
    CellRefused,
    EngineFailed,
    LoadFailed,
    Misuse,
    OstiaryError,
    WorkerOutOfMemory,
    WorkerSilent,
)


class Desk:
    """A book, with what it asked for."""

    def __init__(self, most_pieces: int = 100) -> None:
        self.cancelled: list[int] = []
        self.woken = 0
        self.book = CallBook(most_pieces, self.cancelled.append, self._wake, "id")

    def _wake(self) -> None:
        self.woken += 1

    def open(self, seconds: float = 60, **options: object) -> CallInFlight:
        call = self.book.open(time.monotonic() + seconds, 0, options.get("on_ready"))  # type: ignore[arg-type]
        assert call is not None
        assert self.book.note_sent(call.id)
        return call

    def hear(self, kind: FromWorker, call_id: int, body: object = None, tail: bytes = b"") -> None:
        frame = Frame(kind, call_id, json.dumps(body or {}).encode(), tail)
        self.book.take(frame, frame.parse_body())


def test_pieces_and_a_result_reach_the_call_they_are_for() -> None:
    desk = Desk()
    one, two = desk.open(), desk.open()
    desk.hear(FromWorker.PIECE, two.id, {"n": 1})
    desk.hear(FromWorker.RESULT, one.id, {"n": 2}, b"tail")
    desk.hear(FromWorker.RESULT, two.id)
    assert [(r.kind, r.body, bytes(r.tail)) for r in one] == [(ReplyKind.RESULT, {"n": 2}, b"tail")]
    assert [r.kind for r in two] == [ReplyKind.PIECE, ReplyKind.RESULT]
    assert (desk.book.in_flight, desk.book.answered, desk.cancelled) == (0, 2, [])
    assert one.is_over


def test_every_call_has_an_id_of_its_own_and_none_has_0() -> None:
    desk = Desk()
    calls = [desk.open() for _ in range(100)]
    assert sorted(call.id for call in calls) == [*range(1, 101)]
    for call in calls:
        call.close()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (ErrorName.CALL_REFUSED, CallRefused),
        (ErrorName.ENGINE_FAILED, EngineFailed),
        (ErrorName.OUT_OF_MEMORY, WorkerOutOfMemory),
    ],
)
def test_an_error_ends_the_call_and_knows_the_record(name: ErrorName, error: type[OstiaryError]) -> None:
    desk = Desk()
    call = desk.open()
    desk.hear(FromWorker.PIECE, call.id, {"n": 1})
    desk.hear(FromWorker.ERROR, call.id, {"code": name, "sentence": "one\nline\x1b[0m"})
    assert next(call).body == {"n": 1}
    with pytest.raises(error, match=r"one\\nline\\x1b") as caught:
        next(call)
    assert caught.value.correlation_id == "id"
    with pytest.raises(StopIteration):
        next(call)


def test_leaving_a_call_cancels_it_once_and_drops_what_still_comes() -> None:
    desk = Desk()
    call = desk.open()
    desk.hear(FromWorker.PIECE, call.id)
    call.close()
    call.close()
    assert desk.cancelled == [call.id]
    assert desk.book.in_flight == 1  # until the worker says so
    desk.hear(FromWorker.PIECE, call.id)
    desk.hear(FromWorker.CANCELLED, call.id)
    assert (desk.book.in_flight, desk.book.answered) == (0, 0)
    assert list(call) == []


@pytest.mark.parametrize("kind", [FromWorker.RESULT, FromWorker.ERROR])
def test_an_answer_that_crosses_the_cancelling_is_none(kind: FromWorker) -> None:
    desk = Desk()
    call = desk.open()
    call.close()
    body = {"code": ErrorName.ENGINE_FAILED, "sentence": ""} if kind is FromWorker.ERROR else {}
    desk.hear(kind, call.id, body)
    assert desk.book.in_flight == 0
    assert not desk.book._unread


def test_a_call_that_nobody_holds_is_cancelled_by_whoever_looks() -> None:
    desk = Desk()
    call_id = desk.open().id
    gc.collect()
    assert desk.cancelled == []  # nothing is done inside the garbage collector
    list(desk.book.find_overdue(time.monotonic()))
    assert desk.cancelled == [call_id]


def test_a_call_whose_time_is_over_fails_and_is_let_go() -> None:
    desk = Desk()
    call = desk.open(10)
    assert list(desk.book.find_overdue(time.monotonic())) == [(False, 0)]
    assert desk.cancelled == []
    desk.book.extend(-11)
    assert list(desk.book.find_overdue(time.monotonic())) == [(False, 0)]
    assert desk.cancelled == [call.id]
    with pytest.raises(WorkerSilent):
        next(call)
    assert list(desk.book.find_overdue(time.monotonic() + 3)) == [(True, 0)]


def test_more_time_for_everybody() -> None:
    desk = Desk()
    call, gone = desk.open(10), desk.open(10)
    gone.close()
    desk.book.extend(100)
    assert [late for late, _ in desk.book.find_overdue(time.monotonic() + 50)] == [False, False]
    assert not call.is_over


@pytest.mark.parametrize(
    ("kind", "call_id", "body"),
    [
        (FromWorker.RESULT, 9, {}),
        (FromWorker.PIECE, 0, {}),
        (FromWorker.CANCELLED, 1, {}),
        (FromWorker.READY, 1, {"engine": "fake", "facts": {}}),
        (FromWorker.TAKEN, 1, {}),
        (FromWorker.ERROR, 1, {"code": "HOUSE_INTERNAL", "sentence": "x"}),
        (FromWorker.ERROR, 1, {"code": "WORKER_LOAD_FAILED", "sentence": "x"}),
        (FromWorker.ERROR, 1, {"code": "WORKER_ENGINE_FAILED"}),
        (FromWorker.ERROR, 1, {"code": "WORKER_ENGINE_FAILED", "sentence": 1}),
        (FromWorker.ERROR, 1, {"code": ["WORKER_ENGINE_FAILED"], "sentence": ""}),
    ],
)
def test_what_does_not_belong_in_the_book(kind: FromWorker, call_id: int, body: object) -> None:
    desk = Desk()
    call = desk.open()
    with pytest.raises(FrameMalformed):
        desk.hear(kind, call_id, body)
    call.close()


def test_no_more_pieces_than_a_call_may_have() -> None:
    desk = Desk(most_pieces=3)
    call = desk.open()
    for _ in range(3):
        desk.hear(FromWorker.PIECE, call.id)
    with pytest.raises(FrameMalformed, match="more pieces"):
        desk.hear(FromWorker.PIECE, call.id)
    call.close()


def test_what_waits_unread_is_counted_until_it_is_taken_or_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_book, "MAX_UNREAD_REPLY_BYTES", 3_000)
    desk = Desk()
    one, two = desk.open(), desk.open()
    for _ in range(2):
        desk.hear(FromWorker.PIECE, one.id, {}, b"x" * 1_000)
    assert desk.book.is_full
    next(one)
    assert not desk.book.is_full
    assert desk.woken == 1
    desk.hear(FromWorker.PIECE, two.id, {}, b"x" * 4_000)
    assert desk.book.is_full
    two.close()
    assert not desk.book.is_full
    desk.hear(FromWorker.RESULT, one.id, {}, b"x" * 4_000)
    assert desk.book.is_full
    del one
    gc.collect()
    list(desk.book.find_overdue(time.monotonic()))
    assert not desk.book.is_full
    assert desk.book._unread_bytes == 0


def test_the_end_of_the_worker_fails_every_call_with_an_error_of_its_own() -> None:
    desk = Desk()
    calls = [desk.open() for _ in range(3)]
    desk.hear(FromWorker.RESULT, calls[0].id)
    desk.book.close(lambda _: Misuse(CELL_CLOSED, "it was closed"))
    assert len(list(calls[0])) == 1
    errors = []
    for call in calls[1:]:
        with pytest.raises(Misuse) as caught:
            next(call)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert desk.book.open(time.monotonic() + 1, 0, None) is None


def test_whoever_waits_for_a_place_is_told_that_the_worker_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_book, "MAX_CALLS_IN_FLIGHT", 1)
    desk = Desk()
    call = desk.open()
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(desk.book.open(time.monotonic() + 60, 0, None)))
    waiting.start()
    desk.book.close(lambda _: Misuse(CELL_CLOSED, "it was closed"))
    waiting.join(30)
    assert found == [None]
    call.close()


def test_on_ready_is_called_for_every_reply_and_for_the_end() -> None:
    desk = Desk()
    told: list[int] = []
    call = desk.open(on_ready=lambda: told.append(1))
    desk.hear(FromWorker.PIECE, call.id)
    desk.hear(FromWorker.RESULT, call.id)
    assert len(told) == 2
    failing = desk.open(on_ready=lambda: told.append(1))
    desk.book.close(lambda _: Misuse(CELL_CLOSED, "it was closed"))
    assert len(told) == 3
    assert failing.is_over


def test_in_a_forked_child_a_call_is_dead_and_takes_no_lock() -> None:
    desk = Desk()
    call = desk.open()
    with call._changed:
        desk.book.forget_all()
        with pytest.raises(Misuse):
            threading_free(call.take)
        threading_free(call.close)
    assert desk.cancelled == []


def test_an_answer_that_we_have_no_memory_for_ends_its_call_and_nothing_else() -> None:
    def fail(_room: memoryview) -> memoryview:
        raise OSError(errno.ENOMEM, "no memory")

    desk = Desk()
    desk.book.copy_out = fail
    call, other = desk.open(), desk.open()
    desk.book.note_lent(call.id, Loan({}, None, memoryview(bytearray(8))))
    desk.hear(FromWorker.RESULT_LENT, call.id)
    with pytest.raises(WorkerOutOfMemory) as failed:
        call.take()
    assert failed.value.correlation_id == "id"
    assert desk.book._unread_bytes == 0
    desk.hear(FromWorker.RESULT, other.id, {"n": 1})
    assert next(other).body == {"n": 1}


def threading_free(act) -> object:
    """Runs in another thread, which would wait for ever for a lock that this one holds."""
    found: list[object] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(act())
        except Misuse as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    if errors:
        raise errors[0]
    return found[0]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (ErrorName.LOAD_FAILED, LoadFailed),
        (ErrorName.OUT_OF_MEMORY, WorkerOutOfMemory),
        (ErrorName.ARCHITECTURE_NOT_ALLOWED, CellRefused),
        (ErrorName.MEMORY_BUDGET, CellRefused),
    ],
)
def test_errors_of_loading(name: ErrorName, error: type[OstiaryError]) -> None:
    assert type(parse_error({"code": name, "sentence": "why"}, is_loading=True)) is error


@pytest.mark.parametrize("name", [ErrorName.CALL_REFUSED, ErrorName.ENGINE_FAILED])
def test_errors_of_calls_are_none_of_loading(name: ErrorName) -> None:
    with pytest.raises(FrameMalformed):
        parse_error({"code": name, "sentence": "why"}, is_loading=True)


def test_a_call_may_be_refused_for_a_limit_that_there_is() -> None:
    body = {"code": ErrorName.CALL_REFUSED, "sentence": "why", "limit": "prompt_limit"}
    error = parse_error(body, is_loading=False)
    assert isinstance(error, CallRefused)
    assert error.limit == "prompt_limit"


@pytest.mark.parametrize(
    "changes",
    [{"limit": "memory"}, {"limit": None}, {"limit": 3}, {"code": ErrorName.ENGINE_FAILED}, {"more": 1}],
    ids=range(5),
)
def test_a_limit_that_there_is_not_ends_the_worker(changes: dict[str, object]) -> None:
    body = {"code": ErrorName.CALL_REFUSED, "sentence": "why", "limit": "context_limit", **changes}
    with pytest.raises(FrameMalformed):
        parse_error(body, is_loading=False)  # type: ignore[arg-type]


def test_usage() -> None:
    assert parse_usage({"tokens": 3, "device_bytes": None}) == (3, None)
    assert parse_usage({"tokens": 0, "device_bytes": 1 << 40}) == (0, 1 << 40)
    for body in (
        {"tokens": -1, "device_bytes": None},
        {"tokens": 1 << 63, "device_bytes": None},
        {"tokens": 1.5, "device_bytes": None},
        {"tokens": True, "device_bytes": None},
        {"tokens": None, "device_bytes": None},
        {"tokens": 1, "device_bytes": -1},
        {"tokens": 1},
        {},
    ):
        with pytest.raises(FrameMalformed):
            parse_usage(body)  # type: ignore[arg-type]


def test_reports_are_allowed_at_an_honest_pace_and_after_a_pause_at_once() -> None:
    allowance = UsageAllowance(100.0)
    for tenth in range(5_000):
        allowance.take(100.0 + tenth / 10)
    later = 100_000.0
    for _ in range(MAX_USAGE_FRAMES):
        allowance.take(later)
    with pytest.raises(FrameMalformed, match="a flood of reports"):
        allowance.take(later)
    allowance.note_answer()
    allowance.take(later)
    with pytest.raises(FrameMalformed):
        allowance.take(later + 0.01)


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, CancelledError])
def test_a_listener_that_fails_is_no_reason_to_fail(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    desk = Desk()
    call = desk.open(on_ready=fail)
    desk.hear(FromWorker.RESULT, call.id)
    assert len(list(call)) == 1
    overdue = desk.open(-1, on_ready=fail)
    list(desk.book.find_overdue(time.monotonic()))
    with pytest.raises(WorkerSilent):
        list(overdue)


@pytest.mark.parametrize("item", ["[]", "{}", "0", "1.5", '{"a":"b"}'])
def test_what_waits_is_weighed_as_what_it_holds(item: str) -> None:
    """A little JSON becomes many objects: it is their memory that is bounded."""
    desk = Desk()
    call = desk.open()
    body = {"a": [json.loads(item)] * 10_000}
    text = json.dumps(body, separators=(",", ":")).encode()
    frame = Frame(FromWorker.PIECE, call.id, text, b"")
    tracemalloc.start()
    try:
        desk.book.take(frame, frame.parse_body())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert desk.book._unread_bytes > held / 2


def test_a_call_that_was_never_sent_is_nothing_to_cancel() -> None:
    """Whoever was about to send it was interrupted: the worker would not know what is meant, and seem late."""
    desk = Desk()
    call = desk.book.open(time.monotonic() + 60, 0, None)
    assert call is not None
    call_id = call.id
    del call
    assert list(desk.book.find_overdue(time.monotonic())) == []
    assert (desk.cancelled, desk.book.in_flight) == ([], 0)
    assert not desk.book.note_sent(call_id)


def test_a_worker_that_nobody_listens_to_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """That it let go waits in the socket, behind answers that the application does not take."""
    monkeypatch.setattr(call_book, "MAX_UNREAD_REPLY_BYTES", 1_000)
    desk = Desk()
    unread, overdue = desk.open(), desk.open(-1)
    desk.hear(FromWorker.RESULT, unread.id, tail=bytes(2_000))
    now = time.monotonic()
    assert list(desk.book.find_overdue(now)) == [(False, 0)]
    assert desk.cancelled == [overdue.id]
    assert list(desk.book.find_overdue(now + 100)) == [(False, 0)]
    assert len(list(unread)) == 1
    assert list(desk.book.find_overdue(now + 101)) == [(False, 0)]
    assert list(desk.book.find_overdue(now + 103)) == [(True, 0)]
