"""Each request ends once in the record, whoever ends it first, and says nothing of what was said."""

from __future__ import annotations

import threading

import pytest

from ostiary.answer import Gathering, RequestEnding, RequestEndings
from ostiary.answer.endings import Progress
from ostiary.contract import TextContract, check_request
from ostiary.core.requests import Operation, ParsedRequest, Timings
from ostiary.core.tickets import Answer
from ostiary.errors import (
    CELL_CLOSED,
    CONTRACT_RANGE,
    RECORD_UNWRITABLE,
    WORKER_CRASHED,
    ContractRefused,
    Misuse,
    RecordUnwritable,
    WorkerCrashed,
)
from ostiary.record.events import Content, Event
from ostiary.record.request_events import RequestAnswered, RequestCancelled, RequestFailed, RequestRefused

ROOT = "ab" * 32
REQUEST = check_request(
    ParsedRequest(Operation.GENERATE, {"prompt": "a secret", "max_tokens": 3}), TextContract(64, 128, 100)
)


def answer() -> Answer:
    gathering = Gathering(REQUEST, 0)
    gathering.take_piece({"choice": 0, "tokens": [1, 2], "text": "another secret"})
    usage = {"prompt_tokens": 4, "cached_tokens": 1, "completion_tokens": 2}
    end = {"choice": 0, "finish": "stop", "stop": None, "tokens": 2}
    return gathering.take_result({"choices": [end], "seed": 1, "usage": usage})


def begin(events: list[Event], *, has_content: bool = False) -> tuple[RequestEndings, RequestEnding]:
    endings = RequestEndings(events.append, "opening", ROOT, has_content=has_content)
    ending = endings.begin(Operation.GENERATE)
    ending.note_request(REQUEST)
    ending.follow(lambda: Progress(2, Timings(0.5, 0.25)))
    return endings, ending


def test_an_answer() -> None:
    events: list[Event] = []
    _, ending = begin(events)
    ending.answered(answer())
    (event,) = events
    assert isinstance(event, RequestAnswered)
    assert (event.opened, event.root, event.operation) == ("opening", ROOT, "generate")
    assert (event.prompt_tokens, event.cached_tokens, event.completion_tokens) == (4, 1, 2)
    assert (event.finish, event.correlation_id) == (("stop",), ending.correlation_id)
    assert event.milliseconds >= 0
    assert "secret" not in repr(events)
    assert event.prompt is event.answer is None


def test_where_the_application_wants_it_what_was_said_is_hashed() -> None:
    events: list[Event] = []
    _, ending = begin(events, has_content=True)
    ending.answered(answer())
    (event,) = events
    assert isinstance(event, RequestAnswered)
    assert event.prompt == Content(b'{"prompt":"a secret"}')
    assert event.answer == Content(b'["another secret"]')
    assert "secret" not in repr(event)


def test_a_refusal() -> None:
    events: list[Event] = []
    _, ending = begin(events)
    refusal = ContractRefused(CONTRACT_RANGE, "top_p must fit", field="top_p")
    ending.raised(refusal)
    (event,) = events
    assert isinstance(event, RequestRefused)
    assert (event.code, event.field) == ("CONTRACT_RANGE", "top_p")
    assert refusal.correlation_id == event.correlation_id == ending.correlation_id


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkerCrashed(WORKER_CRASHED, "gone"), "WORKER_CRASHED"),
        (Misuse(CELL_CLOSED, "closed"), "CELL_CLOSED"),
        (KeyError("unforeseen"), "HOUSE_INTERNAL"),
    ],
)
def test_a_failure(error: Exception, code: str) -> None:
    events: list[Event] = []
    _, ending = begin(events)
    ending.raised(error)
    (event,) = events
    assert isinstance(event, RequestFailed)
    assert (event.code, event.completion_tokens, event.first_milliseconds) == (code, 2, 250)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_who_interrupts_does_not_want_the_rest(error: BaseException) -> None:
    events: list[Event] = []
    _, ending = begin(events)
    ending.raised(error)
    (event,) = events
    assert isinstance(event, RequestCancelled)


def test_the_first_end_counts() -> None:
    events: list[Event] = []
    endings, ending = begin(events)
    ending.cancelled()
    ending.answered(answer())
    ending.raised(WorkerCrashed(WORKER_CRASHED, "gone"))
    endings.close()
    assert [event.kind for event in events] == ["request.cancelled"]


def test_many_threads_end_one_request_once() -> None:
    events: list[Event] = []
    _, ending = begin(events)
    acts = [ending.cancelled, ending.closed, lambda: ending.answered(answer())] * 4
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(events) == 1


def test_what_was_abandoned_is_told_by_the_next_request_or_at_the_end() -> None:
    events: list[Event] = []
    endings, ending = begin(events)
    ending.abandoned()
    assert events == []
    second = endings.begin(Operation.CHAT)
    assert [event.correlation_id for event in events] == [ending.correlation_id]
    second.abandoned()
    third = endings.begin(Operation.CHAT)
    third.abandoned()
    endings.close()
    assert [event.kind for event in events] == ["request.cancelled"] * 3
    assert [event.operation for event in events] == ["generate", "chat", "chat"]  # type: ignore[attr-defined]


def test_closing_ends_what_is_open() -> None:
    events: list[Event] = []
    endings, _ = begin(events)
    endings.begin(Operation.CHAT)
    endings.close()
    endings.close()
    assert [(event.kind, event.code) for event in events] == [("request.failed", "CELL_CLOSED")] * 2  # type: ignore[attr-defined]


def test_several_parts_of_one_request_have_one_id_and_an_end_each() -> None:
    events: list[Event] = []
    endings = RequestEndings(events.append, "opening", ROOT)
    parts = [endings.begin(Operation.GENERATE, "told") for _ in range(3)]
    parts[0].cancelled()
    parts[0].cancelled()
    parts[1].answered(answer())
    endings.close()
    assert [event.kind for event in events] == ["request.cancelled", "request.answered", "request.failed"]
    assert {event.correlation_id for event in events} == {"told"}


def test_a_record_that_fails_is_told_and_none_keeps_the_others_from_being_tried() -> None:
    tried: list[Event] = []

    def emit(event: Event) -> None:
        tried.append(event)
        raise RecordUnwritable(RECORD_UNWRITABLE, "full")

    endings = RequestEndings(emit, "opening", ROOT)
    first = endings.begin(Operation.GENERATE)
    endings.begin(Operation.GENERATE)
    endings.begin(Operation.GENERATE)
    with pytest.raises(RecordUnwritable):
        first.answered(answer())
    first.cancelled()
    with pytest.raises(RecordUnwritable):
        endings.close()
    assert [event.kind for event in tried[:3]] == ["request.answered", "request.failed", "request.failed"]
    assert tried[3:] == tried[:1]  # it does not listen still


def test_an_end_that_the_record_would_not_take_is_told_before_the_next_request_begins() -> None:
    events: list[Event] = []
    refuses = [True]

    def emit(event: Event) -> None:
        if refuses:
            raise RecordUnwritable(RECORD_UNWRITABLE, "full")
        events.append(event)

    endings = RequestEndings(emit, "opening", ROOT)
    first, second = endings.begin(Operation.GENERATE), endings.begin(Operation.CHAT)
    with pytest.raises(RecordUnwritable):
        first.answered(answer())
    with pytest.raises(RecordUnwritable):
        endings.begin(Operation.GENERATE)
    refuses.clear()
    second.cancelled()
    third = endings.begin(Operation.GENERATE)
    third.cancelled()
    endings.close()
    assert [event.kind for event in events] == ["request.cancelled", "request.answered", "request.cancelled"]
    assert events[1].correlation_id == first.correlation_id


def test_an_end_that_the_record_would_not_take_is_told_at_the_end() -> None:
    events: list[Event] = []
    refuses = [True]

    def emit(event: Event) -> None:
        if refuses:
            refuses.clear()
            raise RecordUnwritable(RECORD_UNWRITABLE, "full")
        events.append(event)

    endings = RequestEndings(emit, "opening", ROOT)
    ending = endings.begin(Operation.GENERATE)
    with pytest.raises(RecordUnwritable):
        ending.answered(answer())
    endings.close()
    assert [event.kind for event in events] == ["request.answered"]


def test_a_forked_child_tells_nothing_of_its_parents_requests() -> None:
    events: list[Event] = []
    endings, ending = begin(events)
    endings.forget()
    with endings._lock:  # which a thread may have held that is not there
        ending.raised(Misuse(CELL_CLOSED, "the parent's"))
        ending.cancelled()
    assert events == []
