"""The door and the processes behind it: what a client hears when one dies, and that nobody else hears of it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, signal_worker
from door_tools import RunningDoor, head, parse_answer, read_all, running_door

from ostiary.gateway.routes import gather_routes
from ostiary.gateway.served import ServedModel
from ostiary.library.opening import Opened, open_here
from ostiary.library.options import read_options
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

JSON = "content-type: application/json"


@contextmanager
def two_models(tmp_path: Path, milliseconds: int = 20) -> Iterator[tuple[RunningDoor, list[Opened]]]:
    path = HostilePublisher(tmp_path).publish_honest()
    key = sign_model(path)
    with ExitStack() as stack:
        stack.enter_context(FakeEngine(token_milliseconds=milliseconds))
        served = []
        for name in ("one", "two"):
            opened = open_here(path, read_options({"key": key}))
            stack.callback(opened.close)
            threads = stack.enter_context(ThreadPoolExecutor(4))
            served.append(ServedModel(name, opened, int(time.time()), threads))
        door = stack.enter_context(running_door(gather_routes(lambda: False), models=served))
        yield door, [model.opened for model in served]


def ask(model: str, words: int, *headers: str, stream: bool = False) -> bytes:
    asked = {"model": model, "prompt": "word " * words, "max_tokens": words, "stream": stream}
    body = json.dumps(asked).encode()
    return (
        head("POST", "/v1/completions", JSON, f"content-length: {len(body)}", "connection: close", *headers) + body
    )


def read_kinds(state: Path) -> list[str]:
    with open_reader(state) as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    return [entry.kind for entry in entries if entry.kind.startswith("request.")]


def test_a_worker_that_is_killed_ends_its_streams_with_a_typed_error_and_others_go_on(tmp_path: Path) -> None:
    with two_models(tmp_path) as (door, opened), door.connect(PATIENCE) as dying, door.connect(PATIENCE) as going:
        dying.sendall(ask("one", 60, stream=True))
        going.sendall(ask("two", 60, stream=True))
        assert dying.recv(2_000).startswith(b"HTTP/1.1 200")
        signal_worker(opened[0]._opened.cell)
        rest = read_all(dying)
        assert b'"code":"WORKER_CRASHED"' in rest
        assert b"[DONE]" not in rest
        assert rest.endswith(b"0\r\n\r\n"), "the stream ends as streams end"
        assert b"[DONE]" in read_all(going)
        assert door.get("/readyz").status == 200
        again = parse_answer(door.exchange(ask("one", 2)))
        assert (again.status, again.json["choices"][0]["text"]) == (200, "word word")  # type: ignore[index]
        assert door.get("/livez").json["workers"] == {"running": 2, "resting": 0, "quarantined": 0, "closed": 0}


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_asked_a_worker_that_is_killed_before_its_first_word_need_not_know(
    tmp_path: Path, state_directory: Path, stream: bool
) -> None:
    with two_models(tmp_path) as (door, opened), door.connect(PATIENCE) as asking:
        signal_worker(opened[0]._opened.cell, signal.SIGSTOP)
        asking.sendall(ask("one", 5, stream=stream))
        wait_for(lambda: count_calls(opened[0]) == 1)
        signal_worker(opened[0]._opened.cell)
        answer = parse_answer(read_all(asking))
        assert answer.status == 200
        assert answer.body.count(b"word") == 5
    assert read_kinds(state_directory) == ["request.answered"]


def test_one_that_is_killed_again_before_its_first_word_gives_a_status(tmp_path: Path) -> None:
    with two_models(tmp_path, milliseconds=5_000) as (door, opened), door.connect(PATIENCE) as asking:
        cell = opened[0]._opened.cell
        first = cell._process
        asking.sendall(ask("one", 2))
        wait_for(lambda: count_calls(opened[0]) == 1)
        signal_worker(cell)
        wait_for(lambda: cell._process is not first and count_calls(opened[0]) == 1)
        signal_worker(cell)
        answer = parse_answer(read_all(asking))
        assert (answer.status, answer.code) == (502, "WORKER_CRASHED")
        assert answer.headers["retry-after"] == "1"


def test_whose_worker_is_ended_for_another_call_may_ask_again(tmp_path: Path) -> None:
    """To ask for less, or to have the limit of time raised, would not help."""
    with two_models(tmp_path) as (door, opened), door.connect(PATIENCE) as late, door.connect(PATIENCE) as other:
        signal_worker(opened[0]._opened.cell, signal.SIGSTOP)
        late.sendall(ask("one", 5, "ostiary-timeout: 0.5"))
        other.sendall(ask("one", 5))
        answer = parse_answer(read_all(late))
        assert (answer.status, answer.code, "retry-after" in answer.headers) == (504, "WORKER_SILENT", False)
        answer = parse_answer(read_all(other))
        assert (answer.status, answer.code, "retry-after" in answer.headers) == (502, "WORKER_CRASHED", True)


def test_a_worker_that_somebody_stopped_is_not_called_running_for_long_and_the_next_request_is_answered(
    tmp_path: Path, state_directory: Path
) -> None:
    with two_models(tmp_path) as (door, opened), door.connect(PATIENCE) as asking:
        signal_worker(opened[0]._opened.cell, signal.SIGSTOP)
        asking.sendall(ask("one", 5))
        assert b"[DONE]" in door.exchange(ask("two", 5, stream=True)), "others notice nothing"
        answer = parse_answer(read_all(asking))
        assert (answer.status, answer.body.count(b"word")) == (200, 5), "no word of it was said yet"
        signal_worker(opened[0]._opened.cell, signal.SIGSTOP)
        wait_for(lambda: door.get("/livez").json["workers"]["resting"] == 1)  # type: ignore[index, call-overload]
        assert door.get("/readyz").status == 200, "whoever asks has another one started"
        assert parse_answer(door.exchange(ask("one", 2))).status == 200
    with open_reader(state_directory) as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    ends = [entry.data["cause"] for entry in entries if entry.kind == "cell.ended"]
    assert sorted(ends) == ["closed", "closed", "stopped", "stopped"]


def test_a_stream_whose_worker_is_stopped_for_good_ends_with_what_lets_its_client_ask_again(tmp_path: Path) -> None:
    with two_models(tmp_path, milliseconds=100) as (door, opened), door.connect(PATIENCE) as asking:
        asking.sendall(ask("one", 60, stream=True))
        assert asking.recv(2_000).startswith(b"HTTP/1.1 200")
        signal_worker(opened[0]._opened.cell, signal.SIGSTOP)
        rest = read_all(asking)
        assert b'"code":"WORKER_CRASHED"' in rest
        assert b"[DONE]" not in rest


@pytest.mark.parametrize("stream", [False, True])
def test_who_goes_away_cancels_what_was_asked(tmp_path: Path, state_directory: Path, stream: bool) -> None:
    with two_models(tmp_path) as (door, opened):
        with door.connect(PATIENCE) as asking:
            asking.sendall(ask("one", 60, stream=stream))
            wait_for(lambda: len(opened[0]._endings._open) == 1)
        wait_for(lambda: bool(read_kinds(state_directory)))
        assert read_kinds(state_directory) == ["request.cancelled"]


def test_a_model_that_is_closed_is_not_ready(tmp_path: Path) -> None:
    with two_models(tmp_path) as (door, opened):
        opened[1].close()
        answer = door.get("/readyz")
        assert (answer.status, answer.json["status"]) == (503, "failing")
        assert door.get("/livez").status == 200
        opened[0].close()
        assert door.get("/livez").status == 503


def count_calls(opened: Opened) -> int:
    """That its process was sent."""
    process = opened._opened.cell._process
    return 0 if process is None else sum(call.is_sent for call in process._calls._in_flight.values())


def wait_for(is_so: object) -> None:
    assert callable(is_so)
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        threading.Event().wait(0.01)
