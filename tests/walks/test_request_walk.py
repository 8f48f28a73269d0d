"""`ask_model` from a request to its answer: in pieces, once in the record, whoever breaks it off and where."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, make_sealed, open_cell, open_hostile, signal_worker
from contract_files import PROMPT, contract_file
from contract_files import TEXT as OUTPUT

from ostiary.answer import RequestEndings
from ostiary.cell.running import RunningCell
from ostiary.contract import TextContract
from ostiary.core.requests import FinishReason, Operation, ParsedRequest
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.errors import (
    RECORD_UNWRITABLE,
    AnswerRefused,
    CallRefused,
    ContractRefused,
    EngineFailed,
    InternalFault,
    Misuse,
    OstiaryError,
    RecordUnwritable,
    SandboxViolation,
    WorkerCrashed,
    WorkerOutOfMemory,
    WorkerSilent,
)
from ostiary.record.events import CellEnded, Event
from ostiary.record.request_events import RequestAnswered, RequestCancelled, RequestFailed, RequestRefused
from ostiary.walks.request_walk import AnswerInFlight, ask_model

pytestmark = LINUX_ONLY

MODEL = make_sealed({"config.json": b'{"vocab_size": 64, "max_position_embeddings": 128}'})
CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)
ENDINGS = (RequestAnswered, RequestRefused, RequestFailed, RequestCancelled)
TEXT = "one two three four five"


class Desk:
    """A running model, and those who ask it."""

    def __init__(self, cell: RunningCell, events: Events) -> None:
        self.cell = cell
        self.events = events
        self.endings = RequestEndings(events.emit, "opening", cell.root)

    def ask(
        self, prompt: str = TEXT, *, timeout: float | None = None, on_ready: Any = None, **fields: Any
    ) -> AnswerInFlight:
        request = ParsedRequest(Operation.GENERATE, {"prompt": prompt, **fields}, timeout)
        return ask_model(self.cell, CONTRACT, self.endings, request, on_ready=on_ready)

    @property
    def told(self) -> list[Event]:
        return [event for event in self.events.all if isinstance(event, ENDINGS)]


@contextmanager
def desk(**settings: Any) -> Iterator[Desk]:
    events = Events()
    with open_cell(events, "fake", sealed=MODEL, settings=settings) as cell:
        opened = Desk(cell, events)
        yield opened
        opened.endings.close()


def test_from_a_request_to_its_answer() -> None:
    with desk() as opened:
        asked = opened.ask()
        pieces = list(asked)
        answer = asked.conclude()
    assert [piece.text for piece in pieces] == ["one", " two", " three", " four", " five"]
    assert answer.choices[0].text == TEXT == asked.text
    assert answer.choices[0].finish_reason is FinishReason.STOP
    assert answer.usage.completion_tokens == answer.usage.prompt_tokens == 5
    (event,) = opened.told
    assert isinstance(event, RequestAnswered)
    assert event.correlation_id == asked.correlation_id
    assert event.root == opened.cell.root


def test_a_chat_its_limits_and_its_odds() -> None:
    with desk() as opened:
        fields = {
            "messages": [{"role": "user", "content": TEXT}],
            "max_tokens": 3,
            "logprobs": 1,
            "n": 2,
            "seed": 9,
        }
        asked = ask_model(opened.cell, CONTRACT, opened.endings, ParsedRequest(Operation.CHAT, fields))
        list(asked)
        answer = asked.conclude()
    assert [choice.text for choice in answer.choices] == ["one two three"] * 2
    assert {choice.finish_reason for choice in answer.choices} == {FinishReason.LENGTH}
    assert answer.seed == 9
    assert [len(odds.top) for odds in answer.choices[0].logprobs or ()] == [1, 1, 1]


def test_a_stop_text() -> None:
    with desk() as opened:
        asked = opened.ask(stop=[" three", "x"])
        list(asked)
        (choice,) = asked.conclude().choices
    assert (choice.text, choice.stop) == ("one two", " three")


def with_terms(**changes: Any) -> TextContract:
    return replace(CONTRACT, terms=parse_language_contract(contract_file(**changes)))


def ask_with(opened: Desk, contract: TextContract, **fields: Any) -> AnswerInFlight:
    request = ParsedRequest(Operation.GENERATE, {"prompt": TEXT, **fields})
    return ask_model(opened.cell, contract, opened.endings, request)


def test_a_prompt_of_more_tokens_than_its_contract_allows_is_refused_by_the_engine() -> None:
    """And told as if the door had counted: field, rule and limit."""
    with desk() as opened:
        for prompt, context, rule, limit in (
            (4, None, "inputs.prompt.max_tokens", 4),
            (5, 5, "context_tokens", 5),
        ):
            contract = with_terms(inputs=[{**PROMPT, "max_tokens": prompt}], context_tokens=context)
            asked = ask_with(opened, contract)
            assert list(_pieces_until_refused(asked)) == []
            with pytest.raises(ContractRefused) as caught:
                asked.conclude()
            error = caught.value
            assert (error.code, error.field, error.rule, error.limit) == (
                "CONTRACT_TOO_LONG",
                "prompt",
                rule,
                limit,
            )
        asked = ask_with(opened, with_terms(inputs=[{**PROMPT, "max_tokens": 5}], context_tokens=10))
        list(asked)
        assert asked.conclude().choices[0].text == TEXT
    assert [event.kind for event in opened.told] == ["request.refused", "request.refused", "request.answered"]


def _pieces_until_refused(asked: AnswerInFlight) -> Iterator[Any]:
    while not asked.is_over:
        piece = asked.take(None)
        if piece is not None:
            yield piece


def test_an_answer_is_no_longer_than_its_contract_allows() -> None:
    with desk() as opened:
        asked = ask_with(opened, with_terms(outputs=[{**OUTPUT, "max_tokens": 2, "stop": [" four"]}]))
        list(asked)
        (choice,) = asked.conclude().choices
    assert (choice.text, choice.finish_reason) == ("one two", FinishReason.LENGTH)


def test_an_answer_that_breaks_its_contract_ends_and_the_next_one_is_not_harmed() -> None:
    with desk(answers=["fine \x1b[2J and more", "fine"]) as opened:
        contract = with_terms(outputs=[{**OUTPUT, "refused_characters": ["control"]}])
        asked = ask_with(opened, contract)
        assert [piece.text for piece in _pieces_until_refused(asked)] == ["fine"]
        with pytest.raises(AnswerRefused) as caught:
            asked.conclude()
        assert caught.value.rule == "outputs.text.refused_characters"
        asked = ask_with(opened, contract)
        list(asked)
        assert asked.conclude().choices[0].text == "fine"
    assert [event.kind for event in opened.told] == ["request.refused", "request.answered"]


def test_what_does_not_fit_never_reaches_the_worker() -> None:
    with desk() as opened:
        with pytest.raises(ContractRefused) as caught:
            opened.ask(temperature=-1)
        assert opened.cell.read_usage().requests == 0
    (event,) = opened.told
    assert isinstance(event, RequestRefused)
    assert (event.code, event.field) == ("CONTRACT_RANGE", "temperature")
    assert caught.value.correlation_id == event.correlation_id


def test_what_only_the_engine_can_tell() -> None:
    with desk() as opened:
        asked = opened.ask("word " * 200)
        with pytest.raises(CallRefused) as caught:
            list(asked)
    (event,) = opened.told
    assert isinstance(event, RequestRefused)
    assert (event.code, event.correlation_id) == ("WORKER_CALL_REFUSED", caught.value.correlation_id)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ("WORKER_CRASHED", WorkerCrashed),
        ("WORKER_ENGINE_FAILED", EngineFailed),
        ("WORKER_OUT_OF_MEMORY", WorkerOutOfMemory),
        ("WORKER_VIOLATION", SandboxViolation),
        ("WORKER_MALFORMED_ANSWER", SandboxViolation),
        ("WORKER_SILENT", WorkerSilent),
    ],
)
def test_what_came_before_a_failure_is_kept(failure: str, error: type[OstiaryError]) -> None:
    with desk(failure=failure, failure_tokens=2) as opened:
        asked = opened.ask(timeout=1.0 if error is WorkerSilent else None)
        pieces = []
        with pytest.raises(error) as caught:
            pieces += [piece.text for piece in asked]
        assert caught.value.code == failure
        assert asked.text == "one two"
        with pytest.raises(error):
            asked.conclude()
    (event,) = opened.told
    assert isinstance(event, RequestFailed)
    assert (event.code, event.completion_tokens) == (failure, 2)
    assert event.first_milliseconds is not None


def test_an_answer_that_makes_no_sense_ends_its_worker() -> None:
    with desk(failure="WORKER_MALFORMED_ANSWER") as opened:
        with pytest.raises(SandboxViolation):
            list(opened.ask())
        assert opened.events.wait_for(CellEnded).cause == "malformed"


def test_a_worker_that_answers_something_else_is_ended() -> None:
    events = Events()
    with open_hostile(events) as cell:
        endings = RequestEndings(events.emit, "opening", cell.root)
        request = ParsedRequest(Operation.GENERATE, {"prompt": "x", "max_tokens": 1})
        cell_call = cell.call

        def call(_operation: str, _body: Any = None, **options: Any) -> Any:
            return cell_call("echo", {"hello": 1}, **options)

        cell.call = call  # type: ignore[method-assign]
        with pytest.raises(SandboxViolation):
            list(ask_model(cell, CONTRACT, endings, request))
        assert events.wait_for(CellEnded).cause == "malformed"


def test_cancelled_between_tokens_the_worker_goes_on_with_others() -> None:
    with desk(token_milliseconds=20) as opened:
        asked = opened.ask("word " * 100)
        assert asked.take(PATIENCE) is not None
        asked.cancel()
        asked.cancel()
        assert asked.take() is None
        assert asked.is_over
        assert [piece.text for piece in opened.ask("a b")] == ["a", " b"]
    cancelled, answered = opened.told
    assert isinstance(cancelled, RequestCancelled)
    assert cancelled.completion_tokens == 1
    assert isinstance(answered, RequestAnswered)
    assert opened.events.causes == ["closed"]


def test_cancelled_after_the_end_is_answered() -> None:
    with desk() as opened:
        asked = opened.ask("a")
        while not asked.is_over:
            asked.take(PATIENCE)
        asked.cancel()
    assert [event.kind for event in opened.told] == ["request.answered"]


def test_abandoned_is_told_when_the_model_closes() -> None:
    with desk(token_milliseconds=20) as opened:
        opened.ask("word " * 100).abandon()
        assert opened.told == []
    assert [event.kind for event in opened.told] == ["request.cancelled"]


def test_concluding_what_is_not_over_cancels_it() -> None:
    with desk(token_milliseconds=20) as opened:
        asked = opened.ask("word " * 100)
        with pytest.raises(InternalFault):
            asked.conclude()
    assert [event.kind for event in opened.told] == ["request.cancelled"]


def test_interrupted_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(token_milliseconds=50) as opened:
        asked = opened.ask()

        def interrupt(_seconds: float | None) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(asked._placed.call, "take", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(asked)
    assert [event.kind for event in opened.told] == ["request.cancelled"]


def test_a_worker_that_is_killed_is_started_again_for_the_next_request() -> None:
    with desk(token_milliseconds=20) as opened:
        asked = opened.ask("word " * 100)
        assert asked.take(PATIENCE) is not None
        signal_worker(opened.cell)
        with pytest.raises(WorkerCrashed):
            list(asked)
        assert [piece.text for piece in opened.ask("a b")] == ["a", " b"]
    assert [event.kind for event in opened.told] == ["request.failed", "request.answered"]


def test_a_closed_model() -> None:
    with desk() as opened:
        opened.cell.close()
        with pytest.raises(Misuse):
            opened.ask()
    (event,) = opened.told
    assert isinstance(event, RequestFailed)
    assert event.code == "CELL_CLOSED"


def test_a_model_that_closes_under_a_request() -> None:
    with desk(token_milliseconds=20) as opened:
        asked = opened.ask("word " * 100)
        assert asked.take(PATIENCE) is not None
        opened.endings.close()
        opened.cell.close()
        with pytest.raises(Misuse) as caught:
            list(asked)
        assert caught.value.code == "CELL_CLOSED"
    assert [event.kind for event in opened.told] == ["request.failed"]


def test_on_ready_tells_of_each_piece_and_of_the_end() -> None:
    ready = threading.Semaphore(0)
    texts = []
    with desk() as opened:
        asked = opened.ask(on_ready=ready.release)
        while not asked.is_over:
            assert ready.acquire(timeout=PATIENCE)
            piece = asked.take()
            if piece is not None:
                texts.append(piece.text)
    assert "".join(texts) == TEXT


def test_a_record_that_cannot_be_written_fails_the_answer() -> None:
    def emit(_event: Event) -> None:
        raise RecordUnwritable(RECORD_UNWRITABLE, "full")

    with desk() as opened:
        endings = RequestEndings(emit, "opening", opened.cell.root)
        request = ParsedRequest(Operation.GENERATE, {"prompt": TEXT})
        asked = ask_model(opened.cell, CONTRACT, endings, request)
        with pytest.raises(RecordUnwritable):
            list(asked)


def test_many_threads_ask_one_model() -> None:
    texts: dict[int, str] = {}
    with desk(token_milliseconds=1) as opened:

        def ask(number: int) -> None:
            asked = opened.ask(f"number {number} says {number * number}")
            list(asked)
            texts[number] = asked.conclude().choices[0].text

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert texts == {number: f"number {number} says {number * number}" for number in range(16)}
    assert len(opened.told) == 16
    assert len({event.correlation_id for event in opened.told}) == 16
