"""What an event loop leaves to threads, as it may have to wait for it: a disk, a worker that starts again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ostiary.walks.request_walk import AnswerInFlight
    from ostiary.walks.tensor_walk import TensorsInFlight

_T = TypeVar("_T")


async def wait_for_turn(
    asked: AnswerInFlight | TensorsInFlight, threads: ThreadPoolExecutor, ready: asyncio.Event, *, is_short: bool
) -> None:
    """Until it is on its way to the worker. Raises what keeps it from that.

    `is_short`: whether the loop may send it.
    """
    while asked.is_waiting:
        ready.clear()
        if asked.is_waiting:
            with suppress(TimeoutError):  # `wait_for` forgets a cancellation that comes with what it waits for
                async with asyncio.timeout(asked.patience_seconds):
                    await ready.wait()
            asked.look()
    if is_short and not asked.is_started and not asked.is_over:
        asked.start_at_once()
    if not asked.is_started and not asked.is_over:
        await run_apart(threads, asked.start)


def cancel_soon(asked: AnswerInFlight | TensorsInFlight, threads: ThreadPoolExecutor) -> None:
    """Its place and its worker are free at once; the record hears of it when a thread has time for that."""
    asked.let_go()
    with suppress(RuntimeError):  # the model is being closed, which ends it as well
        threads.submit(_quietly, asked.cancel)


async def run_apart(
    threads: ThreadPoolExecutor, act: Callable[[], _T], undo: Callable[[_T], object] | None = None
) -> _T:
    """`act` in a thread. Where nobody waits for its result any more, `undo` gets it."""
    future = threads.submit(act)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if undo is not None:
            future.add_done_callback(lambda done: _undo(done, undo))
        raise


def _undo(done: Future[_T], undo: Callable[[_T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        _quietly(lambda: undo(done.result()))


def _quietly(act: Callable[[], object]) -> None:
    """What fails here has nobody to tell."""
    with suppress(Exception):
        act()


def tell_loop(loop: asyncio.AbstractEventLoop, ready: asyncio.Event) -> Callable[[], None]:
    def tell() -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ready.set)

    return tell
