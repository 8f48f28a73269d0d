"""`ostiary.open_async`: the same answers, an event loop that never waits, and tasks that can be cancelled."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE

import ostiary
from ostiary.library import async_model, opening
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

TEXT = "one two three four five"
LONG = "word " * 100


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    model = HostilePublisher(tmp_path).publish_honest()
    return model, sign_model(model)


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def slow() -> Iterator[FakeEngine]:
    with FakeEngine(token_milliseconds=20) as engine:
        yield engine


def run(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(act(), PATIENCE)

    asyncio.run(bounded())


def read_endings(state: Path) -> list[str]:
    with open_reader(state) as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    return [entry.kind for entry in entries if entry.kind.startswith("request.")]


def test_answers_and_pieces(signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path) -> None:
    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            result = await model.generate(TEXT, max_tokens=2)
            assert (result.text, result.finish_reason, result.verdict) == ("one two", "length", model.verdict)
            assert (await model.chat([{"role": "user", "content": "hello"}])).text == "hello"
            async with model.stream(TEXT) as stream:
                pieces = [piece.text async for piece in stream]
                assert stream.result.text == stream.text == "".join(pieces) == TEXT
            assert [piece.text async for piece in model.stream_chat([{"role": "user", "content": "a b"}])] == [
                "a",
                " b",
            ]
            assert model.read_usage().requests == 4

    run(act)
    assert read_endings(state_directory) == ["request.answered"] * 4


def test_many_tasks_at_once(signed: tuple[Path, Path], state_directory: Path) -> None:
    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            asked = [model.generate(f"number {number} has a word") for number in range(50)]
            results = await asyncio.gather(*asked)
        assert [result.text for result in results] == [f"number {number} has a word" for number in range(50)]

    with FakeEngine(token_milliseconds=1):
        run(act)
    assert read_endings(state_directory) == ["request.answered"] * 50


def test_it_can_be_awaited_and_closed(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    async def act() -> None:
        model = await ostiary.open_async(signed[0], key=signed[1])
        assert (await model.generate("a")).text == "a"
        await model.close()
        await model.close()
        with pytest.raises(ostiary.Misuse) as caught:
            await model.generate("a")
        assert caught.value.code == "CELL_CLOSED"

    run(act)


def test_the_event_loop_never_waits(signed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What could wait (opening, asking, the record, closing) is done by other threads than the loop's."""
    loop_thread: list[int] = []
    wrong: list[str] = []

    def watch(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() in loop_thread:
                wrong.append(name)
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, watched)

    watch(async_model, "open_here")
    watch(opening, "ask_model")
    watch(opening.RequestEndings, "tell")
    watch(opening.Opened, "close")
    watch(time, "sleep")

    async def act() -> None:
        loop_thread.append(threading.get_ident())
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            await model.generate(TEXT)
            with pytest.raises(ostiary.Refusal):
                await model.generate(TEXT, top_p=9)
            async with model.stream(LONG) as stream:
                await anext(stream)
            task = asyncio.create_task(model.generate(LONG))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])

    with FakeEngine(token_milliseconds=5):
        run(act)
    assert wrong == []


def test_a_cancelled_task_cancels_what_it_asked(
    signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path
) -> None:
    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            task = asyncio.create_task(model.generate(LONG))
            while model.read_usage().calls == 0:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while model.read_usage().calls:
                await asyncio.sleep(0.01)
            assert (await model.generate("a")).text == "a"

    run(act)
    assert sorted(read_endings(state_directory)) == ["request.answered", "request.cancelled"]


def test_a_timeout_of_asyncio(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    async def take_all(stream: ostiary.AsyncStream) -> None:
        async for _ in stream:
            pass

    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(take_all(model.stream(LONG)), 0.2)
            while model.read_usage().calls:
                await asyncio.sleep(0.01)

    run(act)
    assert read_endings(state_directory) == ["request.cancelled"]


def test_a_stream_that_is_left_early(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            async with model.stream(LONG) as stream:
                await anext(stream)
            with pytest.raises(ostiary.Misuse):
                _ = stream.result
            assert [piece async for piece in stream] == []
            async for _ in model.stream(LONG):
                break
            gc.collect()
            model.stream(LONG)  # never begun: never asked
            assert (await model.generate("a")).text == "a"

    run(act)
    assert read_endings(state_directory) == ["request.cancelled", "request.cancelled", "request.answered"]


def test_cancelled_while_it_opens(signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path) -> None:
    """Nobody will close it, so it closes itself."""

    async def act() -> None:
        task = asyncio.create_task(_open(signed))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(act)
    deadline = time.monotonic() + PATIENCE
    while any(thread.name.startswith("ostiary_") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


async def _open(signed: tuple[Path, Path]) -> None:
    async with ostiary.open_async(signed[0], key=signed[1]):
        pytest.fail("it was cancelled before")


@pytest.mark.parametrize("failure", ["WORKER_CRASHED", "WORKER_OUT_OF_MEMORY", "WORKER_MALFORMED_ANSWER"])
def test_what_fails_in_the_middle(signed: tuple[Path, Path], failure: str, state_directory: Path) -> None:
    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            stream = model.stream(TEXT)
            with pytest.raises(ostiary.Fault) as caught:
                [piece async for piece in stream]
            assert caught.value.code == failure
            assert stream.text == "one two"
            assert [piece async for piece in stream] == []

    with FakeEngine(failure=failure, failure_tokens=2):
        run(act)
    assert read_endings(state_directory) == ["request.failed"]


def test_a_time_limit_of_ours_is_noticed_without_a_piece(signed: tuple[Path, Path]) -> None:
    async def act() -> None:
        async with ostiary.open_async(signed[0], key=signed[1]) as model:
            with pytest.raises(ostiary.Fault) as caught:
                await model.generate(TEXT, timeout=0.2)
            assert caught.value.code == "WORKER_SILENT"

    with FakeEngine(failure="WORKER_SILENT"):
        run(act)


def test_closed_while_tasks_ask(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    async def act() -> None:
        model = await ostiary.open_async(signed[0], key=signed[1])
        tasks = [asyncio.create_task(model.generate(LONG)) for _ in range(4)]
        while model.read_usage().calls < 4:
            await asyncio.sleep(0.01)
        await model.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(result, "code", None) for result in results] == ["CELL_CLOSED"] * 4

    run(act)
    assert read_endings(state_directory) == ["request.failed"] * 4


def test_a_model_that_is_refused(signed: tuple[Path, Path], tmp_path: Path, fake: FakeEngine) -> None:
    async def act() -> None:
        other = sign_model(HostilePublisher(tmp_path / "other").publish_honest())
        with pytest.raises(ostiary.Refusal) as caught:
            await ostiary.open_async(signed[0], key=other)
        assert caught.value.code == "TRUST_WRONG_SIGNER"
        with pytest.raises(ostiary.Misuse):
            async with ostiary.open_async(signed[0], keys=other):  # type: ignore[call-arg]
                pass

    run(act)


def test_an_error_inside_comes_out_as_it_is(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    async def act() -> None:
        with pytest.raises(KeyError):
            async with ostiary.open_async(signed[0], key=signed[1]):
                raise KeyError

    run(act)
