"""What worker/engines/contract.py promises, held against every engine."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from engine_contract.subjects import LIMITS, SUBJECTS, Files, Subject

from ostiary.cell.program import _QUIET as QUIET
from ostiary.core.frames import ErrorName, FromWorker, ReplyKind, encode_frame
from ostiary.worker.engines.contract import Call, CallUnfit, Engine, Reply

SOURCE = Path(__file__).parent.parent


@pytest.fixture(scope="module", params=SUBJECTS, ids=lambda subject: subject.name)
def subject(request: pytest.FixtureRequest) -> Subject:
    chosen: Subject = request.param
    missing = chosen.find_missing()
    if missing is not None:
        pytest.skip(f"{chosen.name}: {missing}")
    return chosen


def load(subject: Subject) -> tuple[Engine, Mapping[str, Any]]:
    """An engine with a model in it, and what it says of that model."""
    subject.use_device()
    files = subject.make_files()
    engine = subject.prepare(dict(subject.settings))(LIMITS)
    assert not engine.has_work
    engine.read_contents(files.contents)
    for path, data in files.weights.items():
        descriptor = os.memfd_create("weights")
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            engine.read_weights(path, descriptor, len(data))
        finally:
            os.close(descriptor)
    return engine, engine.finish_load()


@pytest.fixture
def engine(subject: Subject) -> Iterator[Engine]:
    made, _ = load(subject)
    yield made
    assert not made.has_work, "a test leaves nothing behind"


class Calls:
    """Speaks with an engine and checks, at each word, that it may be said."""

    def __init__(self, engine: Engine, subject: Subject) -> None:
        self.engine = engine
        self.subject = subject
        self.replies: dict[int, list[Reply]] = {}

    def submit(self, pieces: int) -> int:
        return self.send(self.subject.operation, self.subject.work(pieces))

    def send(self, operation: str, body: Mapping[str, Any]) -> int:
        call_id = len(self.replies) + 1
        self.engine.submit(Call(call_id, operation, body, self.subject.tail))
        self.replies[call_id] = []
        assert self.engine.has_work
        return call_id

    def step(self) -> Sequence[Reply]:
        replies = self.engine.step()
        for reply in replies:
            said = self.replies[reply.call_id]
            assert not said or said[-1].kind is ReplyKind.PIECE, "a word after the end"
            _check(reply)
            said.append(reply)
        return replies

    def finish(self) -> None:
        steps = 0
        while self.engine.has_work:
            self.step()
            steps += 1
            assert steps < 10_000, "it never ends"

    def count(self, call_id: int) -> int:
        return sum(reply.kind is ReplyKind.PIECE for reply in self.replies[call_id])

    def is_over(self, call_id: int) -> bool:
        said = self.replies[call_id]
        return bool(said) and said[-1].kind is not ReplyKind.PIECE


def _check(reply: Reply) -> None:
    """It can be sent, and an error is one that the cell knows."""
    kinds = {
        ReplyKind.PIECE: FromWorker.PIECE,
        ReplyKind.RESULT: FromWorker.RESULT,
        ReplyKind.ERROR: FromWorker.ERROR,
    }
    encode_frame(kinds[reply.kind], reply.call_id, reply.body, reply.tail)
    _check_numbers(reply.body)
    if reply.kind is ReplyKind.ERROR:
        assert set(reply.body) == {"code", "sentence"}
        ErrorName(str(reply.body["code"]))
        sentence = reply.body["sentence"]
        assert isinstance(sentence, str)
        assert sentence.isprintable()


def _need_pieces(subject: Subject) -> None:
    if not subject.speaks:
        pytest.skip(f"{subject.name}: it answers at once")


def _check_numbers(value: Any) -> None:
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            _check_numbers(item)
    elif isinstance(value, list):
        for item in value:
            _check_numbers(item)


def test_it_has_a_name_and_facts_that_can_be_sent(subject: Subject) -> None:
    engine, facts = load(subject)
    assert subject.name.startswith(engine.name)
    encode_frame(FromWorker.READY, 0, {"engine": engine.name, "facts": dict(facts)})
    _check_numbers(facts)


@pytest.mark.parametrize("pieces", [1, 2, 17])
def test_a_call_has_its_pieces_and_one_end(engine: Engine, subject: Subject, pieces: int) -> None:
    calls = Calls(engine, subject)
    call_id = calls.submit(pieces)
    calls.finish()
    assert calls.count(call_id) == subject.count(pieces)
    assert calls.replies[call_id][-1].kind is ReplyKind.RESULT


def test_several_at_once_all_go_on_and_all_end(engine: Engine, subject: Subject) -> None:
    _need_pieces(subject)
    calls = Calls(engine, subject)
    ids = [calls.submit(20 + place) for place in range(5)]
    while not calls.is_over(ids[0]):
        calls.step()
    assert all(calls.count(call_id) >= 5 for call_id in ids), "one keeps the others waiting"
    calls.finish()
    assert [calls.count(call_id) for call_id in ids] == [20, 21, 22, 23, 24]


def test_a_step_is_one_piece_of_work(engine: Engine, subject: Subject) -> None:
    _need_pieces(subject)
    calls = Calls(engine, subject)
    calls.submit(30)
    while engine.has_work:
        assert len(calls.step()) <= 2  # the last piece and the result


def test_who_joins_later_is_taken_along(engine: Engine, subject: Subject) -> None:
    _need_pieces(subject)
    calls = Calls(engine, subject)
    first = calls.submit(40)
    for _ in range(5):
        calls.step()
    second = calls.submit(3)
    while not calls.is_over(second):
        calls.step()
    assert not calls.is_over(first)
    calls.finish()
    assert (calls.count(first), calls.count(second)) == (40, 3)


def test_what_was_cancelled_is_forgotten(engine: Engine, subject: Subject) -> None:
    _need_pieces(subject)
    calls = Calls(engine, subject)
    kept, dropped = calls.submit(20), calls.submit(500)
    for _ in range(6):
        calls.step()
    said = len(calls.replies[dropped])
    assert said > 0
    engine.cancel(dropped)
    engine.cancel(dropped)
    engine.cancel(99_999)
    calls.finish()
    assert len(calls.replies[dropped]) == said
    assert calls.count(kept) == 20


def test_what_was_cancelled_at_once_leaves_no_work(engine: Engine, subject: Subject) -> None:
    calls = Calls(engine, subject)
    engine.cancel(calls.submit(5))
    assert not engine.has_work


def test_an_ended_call_is_not_in_flight(engine: Engine, subject: Subject) -> None:
    calls = Calls(engine, subject)
    call_id = calls.submit(1)
    calls.finish()
    engine.cancel(call_id)
    assert not engine.has_work


def test_calls_that_do_not_fit_are_refused_and_harm_nobody(engine: Engine, subject: Subject) -> None:
    """At once, or with an error once they are looked at."""
    calls = Calls(engine, subject)
    good = calls.submit(10)
    for operation, body in subject.bad:
        with suppress(CallUnfit):
            call_id = calls.send(operation, body)
            calls.finish()
            assert calls.replies[call_id][-1].body["code"] == ErrorName.CALL_REFUSED.value
    calls.finish()
    assert calls.count(good) == subject.count(10)
    assert calls.is_over(good)


def test_usage_counts_what_was_said(engine: Engine, subject: Subject) -> None:
    calls = Calls(engine, subject)
    before = engine.read_usage().tokens
    calls.submit(4)
    calls.submit(7)
    calls.finish()
    usage = engine.read_usage()
    assert usage.tokens - before == subject.count(11)
    assert (usage.device_bytes is None) == (subject.device == "cpu")


def test_the_same_engine_answers_for_long(engine: Engine, subject: Subject) -> None:
    calls = Calls(engine, subject)
    for _ in range(40):
        calls.submit(2)
        calls.finish()
    assert all(calls.count(call_id) == subject.count(2) and calls.is_over(call_id) for call_id in calls.replies)


def test_preparing_leaves_one_thread_behind(subject: Subject) -> None:
    """The fork server forks: whatever another thread held at that moment would be held for ever."""
    if sys.platform != "linux":
        return
    program = (
        "import os, sys; from engine_contract.subjects import SUBJECTS\n"
        "subject = next(s for s in SUBJECTS if s.name == sys.argv[1])\n"
        "subject.prepare(dict(subject.settings))\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    path = os.pathsep.join([str(SOURCE), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", program, subject.name],
        env={**QUIET, "PYTHONPATH": path},  # as the cell starts its programs
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() == "1", done.stderr


def test_files_are_what_they_were(subject: Subject) -> None:
    """An engine keeps no hold of what it was shown."""
    files: Files = subject.make_files()
    before = {path: bytes(data) for path, data in files.contents.items()}
    engine = subject.prepare(dict(subject.settings))(LIMITS)
    engine.read_contents(files.contents)
    assert files.contents == before
