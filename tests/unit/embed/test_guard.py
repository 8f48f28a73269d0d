"""The guard's ways in and out: what it maps, what passes, what it records; by exceptions that MLX has raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ostiary.embed import finite, guard, token_ids
from ostiary.embed.failures import name_class
from ostiary.errors import (
    INTAKE_MALFORMED,
    EmbedFailed,
    EmbedOutOfMemory,
    EmbedRefused,
    IntakeRefused,
    Misuse,
    render_public,
)
from ostiary.record.begin import open_reader
from ostiary.record.events import Event
from ostiary.testing import capture_events

SECRET = "/home/alice/secret (2,3) 0x7f3a"  # noqa: S105  what a text of MLX may hold


class OurOwn(ValueError):
    """An application's."""


class PanicException(BaseException):
    """As the tokenizers library has it."""


PanicException.__module__ = "pyo3_runtime"


def check_clean(error: EmbedFailed | EmbedRefused, cause: BaseException) -> None:
    """What is shown has nothing of the exception; the developer has all of it."""
    assert error.__cause__ is cause
    public = render_public(error, error.correlation_id or "")
    for text in (str(error), error.message, error.hint, public.sentence, public.hint):
        assert "secret" not in text
        assert "0x7f" not in text
        assert "(2,3)" not in text
        assert "\n" not in text


@pytest.mark.parametrize(
    ("cause", "code", "said"),
    [
        (ValueError(f"[matmul] {SECRET}"), "EMBED_ENGINE_FAILED", "shapes or values"),
        (RuntimeError(f"[read] Unable to read from file. {SECRET}"), "EMBED_ENGINE_FAILED", "too early"),
        (RuntimeError(f"[Compile::eval_cpu] {SECRET}"), "EMBED_ENGINE_FAILED", "compiling"),
        (RuntimeError(f"[write] Unable to write {SECRET}"), "EMBED_ENGINE_FAILED", "written"),
        (RuntimeError("Resource temporarily unavailable"), "EMBED_ENGINE_FAILED", "threads"),
        (RuntimeError(f"[METAL] Command buffer execution failed: {SECRET}"), "EMBED_ENGINE_FAILED", "device"),
        (RuntimeError(f"[metal::malloc] {SECRET}"), "EMBED_OUT_OF_MEMORY", "one piece"),
        (RuntimeError("Resource limit (9) exceeded."), "EMBED_OUT_OF_MEMORY", "pieces"),
        (MemoryError(SECRET), "EMBED_OUT_OF_MEMORY", "memory"),
        (IndexError(SECRET), "EMBED_ENGINE_FAILED", "lacks"),
        (TypeError(SECRET), "EMBED_ENGINE_FAILED", "type"),
        (OSError(2, SECRET), "EMBED_ENGINE_FAILED", "system"),
        (AssertionError(SECRET), "EMBED_ENGINE_FAILED", "nobody foresaw"),
        (RecursionError(SECRET), "EMBED_ENGINE_FAILED", "nested"),
        (PanicException(SECRET), "EMBED_ENGINE_FAILED", "tokenizer"),
    ],
)
def test_what_is_mapped(cause: BaseException, code: str, said: str) -> None:
    with capture_events() as (events, emit), pytest.raises(EmbedFailed) as caught, guard("summing", emit=emit):
        raise cause
    error = caught.value
    assert (error.code, said in error.message) == (code, True)
    assert isinstance(error, EmbedOutOfMemory) == (code == "EMBED_OUT_OF_MEMORY")
    check_clean(error, cause)
    (event,) = events
    assert (event.kind, event.correlation_id) == ("work.failed", error.correlation_id)
    assert (event.name, event.code, event.raised) == ("summing", code, name_class(cause))  # type: ignore[attr-defined]
    assert "secret" not in repr(event)


@pytest.mark.parametrize(
    "error",
    [
        OurOwn("x"),
        IntakeRefused(INTAKE_MALFORMED, "x"),
        KeyboardInterrupt(),
        SystemExit(1),
        StopIteration(),
        TimeoutError(),
        ConnectionResetError(),
        asyncio.CancelledError(),
        type("Ours", (BaseException,), {"__module__": "app"})(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes(error: BaseException) -> None:
    with capture_events() as (events, emit):
        with pytest.raises(type(error)) as caught, guard(emit=emit):
            raise error
        assert caught.value is error
    assert events == []


# --- the forms ----------------------------------------------------------------------------------------------------


def fail() -> int:
    raise ValueError(SECRET)


def test_a_function() -> None:
    with capture_events() as (events, emit):

        @guard(emit=emit)
        def add(left: int, right: int = 2) -> int:
            """Sum."""
            return left + right if right else fail()

        assert (add(1), add.__name__, add.__doc__) == (3, "add", "Sum.")
        with pytest.raises(EmbedFailed):
            add(1, 0)
    assert [event.name for event in events] == ["add"]  # type: ignore[attr-defined]


def count(last: int) -> Iterator[int]:
    yield from range(last)
    fail()


def test_generators() -> None:
    with capture_events() as (events, emit):
        for made in (guard(emit=emit)(count), guard("count", emit=emit)(lambda last: count(last))):  # noqa: PLW0108  itself no generator
            pieces = made(2)
            assert [next(pieces), next(pieces)] == [0, 1]
            with pytest.raises(EmbedFailed):
                next(pieces)
            abandoned = made(2)
            next(abandoned)
            abandoned.close()  # type: ignore[attr-defined]
    assert [event.name for event in events] == ["count", "count"]  # type: ignore[attr-defined]


def test_what_the_consumer_of_a_generator_raises_is_its_own() -> None:
    guarded = guard(emit=lambda _: pytest.fail("recorded"))(count)
    with pytest.raises(ValueError, match="mine"):  # noqa: PT012
        for _ in guarded(2):
            raise ValueError("mine")


def test_coroutines() -> None:
    events: list[Event] = []

    @guard(emit=events.append)
    async def wait(fails: bool) -> int:
        await asyncio.sleep(0)
        return fail() if fails else 1

    @guard(emit=events.append)
    async def iterate() -> AsyncIterator[int]:
        yield 1
        fail()

    async def run() -> None:
        assert await wait(False) == 1
        with pytest.raises(EmbedFailed):
            await wait(True)
        found = []
        with pytest.raises(EmbedFailed):  # noqa: PT012
            async for piece in iterate():
                found.append(piece)
        assert found == [1]
        with pytest.raises(EmbedFailed):
            async with guard(emit=events.append):
                fail()

    asyncio.run(run())
    assert [event.name for event in events] == ["wait", "iterate", "work"]  # type: ignore[attr-defined]


def test_what_tasks_raised_together_is_mapped_as_well() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def run(*errors: Exception) -> None:
        async with guard("work", emit=events.append), asyncio.TaskGroup() as tasks, asyncio.TaskGroup() as inner:
            for place, error in enumerate(errors):
                (tasks if place % 2 else inner).create_task(fail(error))

    events: list[Event] = []
    with pytest.raises(EmbedFailed) as caught:
        asyncio.run(run(ValueError(SECRET), RuntimeError(SECRET)))
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)
    assert "secret" not in str(caught.value)
    assert [event.kind for event in events] == ["work.failed"]
    with pytest.raises(BaseExceptionGroup) as mixed:
        asyncio.run(run(ValueError(SECRET), OurOwn("ours")))
    failed, rest = mixed.value.exceptions
    assert isinstance(failed, EmbedFailed)
    assert "secret" not in str(failed)
    assert "ours" in repr(rest)
    assert "secret" not in repr(rest)
    with pytest.raises(BaseExceptionGroup) as own:
        asyncio.run(run(OurOwn("ours")))
    assert own.group_contains(OurOwn)
    assert len(events) == 2


def test_a_cancelled_task_is_cancelled() -> None:
    @guard(emit=lambda _: pytest.fail("recorded"))
    async def wait() -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_guards_within_guards_record_once() -> None:
    with (
        capture_events() as (events, emit),
        pytest.raises(EmbedFailed),
        guard("a", emit=emit),
        guard("b", emit=emit),
    ):
        fail()
    assert [event.name for event in events] == ["b"]  # type: ignore[attr-defined]


# --- checks -------------------------------------------------------------------------------------------------------


def test_arguments_are_checked_before_anything_is_done() -> None:
    done = []
    with capture_events() as (events, emit):

        @guard(check={"tokens": token_ids(10), "bias": [finite()]}, emit=emit)
        def work(tokens: list[int], *, bias: float = 0.0) -> None:
            done.append(tokens)

        work([1, 9])
        for wrong in ([10], [-1]):
            with pytest.raises(EmbedRefused) as caught:
                work(wrong)
            assert (caught.value.code, caught.value.field) == ("EMBED_INPUT", "tokens")
        with pytest.raises(EmbedRefused, match="bias: it holds a number that is not finite"):
            work([1], bias=float("nan"))
    assert done == [[1, 9]]
    assert [(event.kind, event.field) for event in events] == [  # type: ignore[attr-defined]
        ("work.refused", "tokens"),
        ("work.refused", "tokens"),
        ("work.refused", "bias"),
    ]


def test_a_generator_is_checked_too() -> None:
    guarded = guard(check={"last": token_ids(3)}, emit=lambda _: None)(count)
    with pytest.raises(EmbedRefused):
        next(guarded(7))


def test_a_value_within_with() -> None:
    with guard(emit=lambda _: None) as guarded:
        guarded.check([1], token_ids(2), field="ids")
        with pytest.raises(EmbedRefused, match="ids: it holds a token id outside of a vocabulary of 2"):
            guarded.check([2], token_ids(2), field="ids")


def test_a_check_of_the_applications_own_that_fails() -> None:
    def broken(_value: object) -> None:
        fail()

    with pytest.raises(EmbedFailed), guard(emit=lambda _: None) as guarded:
        guarded.check(1, broken)


def test_checks_that_check_nothing_are_a_mistake() -> None:
    with pytest.raises(Misuse, match="call `check`"), guard(check={"a": finite()}):
        pass
    with pytest.raises(Misuse, match="no argument b"):
        guard(check={"b": finite()})(count)
    with pytest.raises(Misuse, match="called to decorate"):
        guard(count)  # type: ignore[arg-type]


# --- the record ---------------------------------------------------------------------------------------------------


def test_the_record_has_it(state_directory: Path) -> None:
    with pytest.raises(EmbedFailed) as caught, guard("summing"):
        fail()
    with open_reader() as reader:
        text = repr([body for _, body in reader.read_bodies(0, reader.read_size())])
    assert "work.failed" in text
    assert caught.value.correlation_id in text
    assert "secret" not in text


def test_a_record_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.write_text("in the way")
    with pytest.raises(EmbedFailed) as caught, guard(state=place):
        fail()
    assert caught.value.correlation_id is None
    assert any("could not be recorded: RECORD_" in note for note in caught.value.__notes__)


def test_nothing_is_recorded_of_what_goes_well(state_directory: Path) -> None:
    with guard():
        pass
    assert not state_directory.exists()
