"""How a function is asked from an event loop: by the loop itself where nothing has to be waited for."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ostiary.library.apart import cancel_soon, run_apart, tell_loop, wait_for_turn

if TYPE_CHECKING:
    from ostiary.admission import Entrance
    from ostiary.core.tensors import ParsedTensors
    from ostiary.core.tickets import AnsweredTensors
    from ostiary.library.opening import Opened
    from ostiary.walks.tensor_walk import TensorsInFlight


async def ask_tensors(
    opened: Opened,
    threads: ThreadPoolExecutor,
    request: ParsedTensors,
    correlation_id: str | None = None,
    entrance: Entrance | None = None,
) -> tuple[AnsweredTensors, str]:
    """What a function gives, and what joins it to the record. Cancelling the task cancels the call.

    `entrance`: where the model is shared with others.
    """
    concluding = _Concluding(threads)
    if opened.is_closed:
        opened.ask_function(request)  # which says so, and there may be no threads left
    asked = opened.ask_function_at_once(request, concluding.hear, correlation_id, entrance)
    is_short = asked is not None
    if asked is None:
        asked = await run_apart(
            threads,
            lambda: opened.ask_function(request, concluding.hear, correlation_id, entrance),
            lambda late: late.cancel(),
        )
    try:
        await wait_for_turn(asked, threads, concluding.ready, is_short=is_short)
        answer = await concluding.wait(asked)
    except asyncio.CancelledError:
        if not opened.is_closed:
            cancel_soon(asked, threads)
        raise
    except BaseException:  # such as no threads any more, as the model is being closed
        asked.let_go()
        raise
    return answer, asked.correlation_id


class _Concluding:
    """Has a call that is answered told to the record by a thread, without a way through the loop before."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.ready: Final = asyncio.Event()
        """Set where there may be something to do before it is on its way to the worker."""
        self._threads: Final = threads
        self._loop: Final = asyncio.get_running_loop()
        self._tell: Final = tell_loop(self._loop, self.ready)
        self._end: Final[asyncio.Future[AnsweredTensors]] = self._loop.create_future()
        self._asked: TensorsInFlight | None = None
        self._once: Final = threading.Lock()

    async def wait(self, asked: TensorsInFlight) -> AnsweredTensors:
        """Of one that is on its way. Raises what ended it instead of an answer."""
        self._asked = asked
        if asked.is_answered:  # by now nobody else may hear of that
            self._begin(asked)
        try:
            return await self._end
        finally:
            self._asked = None  # which holds this

    def hear(self) -> None:
        """From any thread: its turn came, or it is answered. Quick."""
        asked = self._asked
        if asked is None:
            self._tell()
        elif asked.is_answered:
            self._begin(asked)

    def _begin(self, asked: TensorsInFlight) -> None:
        if not self._once.acquire(blocking=False):
            return
        try:
            self._threads.submit(self._conclude, asked)
        except RuntimeError as error:  # the model is being closed
            self._settle_soon(None, error)

    def _conclude(self, asked: TensorsInFlight) -> None:
        try:
            answer = asked.conclude()
        except BaseException as error:  # noqa: BLE001  raised again by whoever waits
            self._settle_soon(None, error)
        else:
            self._settle_soon(answer, None)

    def _settle_soon(self, answer: AnsweredTensors | None, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._settle, answer, error)

    def _settle(self, answer: AnsweredTensors | None, error: BaseException | None) -> None:
        if self._end.done():  # nobody waits for it any more
            return
        if answer is not None:
            self._end.set_result(answer)
        elif error is not None:
            self._end.set_exception(error)
