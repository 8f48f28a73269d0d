"""Requests that share a model, from contract to answer: who waits is answered later, or ends once and frees its place."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, Events, make_sealed, open_cell

from ostiary.admission import Entrance, Gate, QueueBounds, Room
from ostiary.answer import RequestEndings
from ostiary.cell.running import RunningCell
from ostiary.contract import TextContract
from ostiary.core.callers import ANYBODY
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import AdmissionRefused, EngineFailed, Misuse
from ostiary.record.events import Event
from ostiary.walks.request_walk import AnswerInFlight, ask_model

pytestmark = LINUX_ONLY

MODEL = make_sealed({"config.json": b'{"vocab_size": 64, "max_position_embeddings": 128}'})
CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)


class Desk:
    """A running model with one row, and those who share it."""

    def __init__(self, cell: RunningCell, events: Events) -> None:
        self.cell = cell
        self.events = events
        self.endings = RequestEndings(events.emit, "opening", cell.root)
        self.gate = Gate(Room(rows=1, bytes=1 << 30, largest_bytes=1 << 30), QueueBounds())

    def ask(self, prompt: str = "one two three", timeout: float | None = None, **more: Any) -> AnswerInFlight:
        request = ParsedRequest(Operation.GENERATE, {"prompt": prompt}, timeout)
        entrance = Entrance(self.gate, ANYBODY)
        return ask_model(self.cell, CONTRACT, self.endings, request, entrance=entrance, **more)

    @property
    def told(self) -> list[str]:
        kinds: list[Event] = [event for event in self.events.all if event.kind.startswith("request.")]
        return [event.kind for event in kinds]


@contextmanager
def desk(**settings: Any) -> Iterator[Desk]:
    events = Events()
    with open_cell(events, "fake", sealed=MODEL, settings=settings) as cell:
        opened = Desk(cell, events)
        yield opened
        opened.endings.close()


def _is_free(opened: Desk) -> bool:
    load = opened.gate.load
    return (load.inside, load.waiting, load.rows) == (0, 0, 0)


def test_who_waits_is_answered_when_the_one_before_is_through() -> None:
    with desk() as opened:
        heard: list[str] = []
        first, second = opened.ask(), opened.ask("four", on_ready=lambda: heard.append("turn"))
        assert (first.is_waiting, second.is_waiting, second.is_started) == (False, True, False)
        assert second.take() is None
        assert "".join(piece.text for piece in first) == "one two three"
        assert heard == ["turn"]
        assert not second.is_waiting
        assert "".join(piece.text for piece in second) == "four"
        assert second.conclude().choices[0].text == "four"
        assert _is_free(opened)
    assert opened.told == ["request.answered"] * 2


def test_who_does_not_want_to_wait_any_more_ends_as_cancelled() -> None:
    with desk() as opened:
        first, second = opened.ask(), opened.ask()
        second.cancel()
        assert opened.gate.load.waiting == 0
        list(first)
        assert not second.is_started
        assert _is_free(opened)
    assert opened.told == ["request.cancelled", "request.answered"]


def test_one_that_is_let_go_while_it_is_started_reaches_no_worker_for_long() -> None:
    with desk(token_milliseconds=20) as opened:
        first, second = opened.ask(), opened.ask("word " * 90)
        first.cancel()
        second.let_go()
        second.start()  # a thread that was about to
        second.cancel()
        assert _is_free(opened)
    assert opened.told == ["request.cancelled"] * 2


def test_a_refusal_while_waiting_is_the_one_end_of_the_request() -> None:
    with desk(token_milliseconds=20) as opened:
        first = opened.ask("word " * 90)
        second = opened.ask(timeout=0.05)
        with pytest.raises(AdmissionRefused) as refused:
            list(second)
        assert refused.value.code == "ADMISSION_DEADLINE"
        with pytest.raises(AdmissionRefused):
            second.conclude()
        first.cancel()
        assert _is_free(opened)
    assert opened.told == ["request.refused", "request.cancelled"]


def test_a_request_that_nobody_holds_any_more_frees_its_place() -> None:
    with desk(token_milliseconds=20) as opened:
        first, second = opened.ask("word " * 90), opened.ask()
        first.abandon()
        del first
        gc.collect()
        second.look()
        assert not second.is_waiting
        list(second)
        assert _is_free(opened)
    assert sorted(opened.told) == ["request.answered", "request.cancelled"]


def test_a_worker_that_fails_frees_the_place() -> None:
    with desk(failure="WORKER_ENGINE_FAILED", failure_tokens=1) as opened:
        for _ in range(2):
            with pytest.raises(EngineFailed):
                list(opened.ask())
        assert _is_free(opened)
    assert opened.told == ["request.failed"] * 2


def test_a_model_that_was_closed_frees_the_place() -> None:
    with desk() as opened:
        first, second = opened.ask(), opened.ask()
        first.cancel()
        opened.cell.close()
        with pytest.raises(Misuse):
            second.start()
        assert _is_free(opened)
    assert opened.told == ["request.cancelled", "request.failed"]
