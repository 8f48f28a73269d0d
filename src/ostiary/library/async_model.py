"""A model as a program holds it that never waits in its event loop: `ostiary.open_async`. For asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar, Unpack

from ostiary.core.requests import ParsedRequest, Piece
from ostiary.errors import USAGE, Misuse
from ostiary.library.apart import cancel_soon, run_apart, tell_loop, wait_for_turn
from ostiary.library.arguments import (
    ChatOptions,
    Message,
    OpenArguments,
    PathName,
    Prompt,
    PromptOptions,
    parse_messages,
    parse_prompt,
)
from ostiary.library.async_tensors import ask_tensors
from ostiary.library.function import (
    Outputs,
    TensorInfo,
    describe_inputs,
    describe_outputs,
    make_outputs,
    parse_call,
)
from ostiary.library.model import close_forgotten
from ostiary.library.opening import Opened, open_here
from ostiary.library.options import read_options
from ostiary.library.result import Result, make_result
from ostiary.library.verdict import Verdict

if TYPE_CHECKING:
    from ostiary.admission import Entrance
    from ostiary.cell.usage import CellUsage
    from ostiary.walks.request_walk import AnswerInFlight

_THREADS: Final = 16
"""For what has to wait: a disk that takes an entry of the record, a worker that starts again."""
_T = TypeVar("_T")


def open_async(model: PathName, **arguments: Unpack[OpenArguments]) -> Opening:
    """As `ostiary.open`, for `async with`, or to be awaited and closed by `close`."""
    return Opening(model, arguments)


class Opening:
    """A model that is being opened, in a thread of its own."""

    def __init__(self, model: PathName, arguments: OpenArguments) -> None:
        """Use `ostiary.open_async`."""
        self._model: Final = model
        self._arguments: Final = arguments
        self._opened: AsyncModel | None = None

    def __await__(self) -> Generator[object, None, AsyncModel]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncModel:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, trace)

    async def _open(self) -> AsyncModel:
        threads = ThreadPoolExecutor(_THREADS, "ostiary")
        model, arguments = self._model, self._arguments
        try:
            opened = await run_apart(threads, lambda: open_here(model, read_options(arguments)), Opened.close)
        except BaseException:
            threads.shutdown(wait=False)  # what was begun goes on, and is undone
            raise
        return AsyncModel(opened, threads)


class AsyncModel:
    """Any number of tasks may ask it at once, of one event loop. Cancelling a task cancels what it asked."""

    def __init__(self, opened: Opened, threads: ThreadPoolExecutor) -> None:
        """Use `ostiary.open_async`."""
        self._opened: Final = opened
        self._threads: Final = threads

    @property
    def verdict(self) -> Verdict:
        """What let it in, and what holds it."""
        return self._opened.verdict

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Of a function, what it takes. A language model has none."""
        contract = self._opened.function
        return () if contract is None else describe_inputs(contract)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Of a function, what it gives. A language model has none."""
        contract = self._opened.function
        return () if contract is None else describe_outputs(contract)

    async def __call__(self, inputs: object = None, /, *, timeout: float | None = None, **named: object) -> Outputs:
        """Compute a function, as `Model` does: `await model(x=array)`. Calls at once are computed together."""
        call = parse_call(inputs, named, timeout, tuple(item.name for item in self.inputs))
        answer, correlation_id = await ask_tensors(self._opened, self._threads, call.request)
        return make_outputs(answer, call.library, self.verdict, correlation_id)

    async def generate(self, prompt: Prompt, **options: Unpack[PromptOptions]) -> Result:
        """Go on from a text, or from token ids. `text` of what comes back does not repeat the prompt."""
        return await self.stream(prompt, **options).finish()

    async def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Result:
        """The next message of a conversation, by the model's own chat template."""
        return await self.stream_chat(messages, **options).finish()

    def stream(self, prompt: Prompt, **options: Unpack[PromptOptions]) -> AsyncStream:
        """As `generate`, in pieces as they come. Nothing is asked before it is iterated over or entered."""
        return AsyncStream(self._opened, self._threads, parse_prompt(prompt, options))

    def stream_chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> AsyncStream:
        """As `chat`, in pieces as they come. Nothing is asked before it is iterated over or entered."""
        return AsyncStream(self._opened, self._threads, parse_messages(messages, options))

    def read_usage(self) -> CellUsage:
        """What its process uses now."""
        return self._opened.read_usage()

    async def close(self) -> None:
        """End it. What is still asked of it fails. Any number of times."""
        if self._opened.is_closed:
            return
        try:
            await run_apart(self._threads, self._opened.close)
        finally:
            self._threads.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except Exception:
            if error is None:
                raise

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is not None:
            close_forgotten(opened, self)


class AsyncStream(AsyncIterator[Piece]):
    """An answer on its way: iterate over its pieces; then `result` has it whole.

    Leaving it early (`close`, an `async with`, a cancelled task, or no reference left) cancels it between two
    tokens. One task at a time.
    """

    def __init__(
        self,
        opened: Opened,
        threads: ThreadPoolExecutor,
        request: ParsedRequest,
        correlation_id: str | None = None,
        entrance: Entrance | None = None,
    ) -> None:
        """Use `AsyncModel.stream`. `entrance`: where the model is shared with others."""
        self._entrance: Final = entrance
        self._correlation_id: Final = correlation_id
        self._opened: Final = opened
        self._threads: Final = threads
        self._request: Final = request
        self._ready: Final = asyncio.Event()
        self._asked: AnswerInFlight | None = None
        self._result: Result | None = None
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        """Raises what ended it instead of an answer."""
        if self._is_over:
            raise StopAsyncIteration
        try:
            asked = await self._begin()
            while True:
                self._ready.clear()
                piece = asked.take()
                if piece is not None:
                    return piece
                if asked.is_over:
                    break
                if asked.is_started:
                    await self._ready.wait()
                else:  # its process is gone: another is asked
                    await run_apart(self._threads, asked.start)
            self._is_over = True
            answer = await run_apart(self._threads, asked.conclude)
        except asyncio.CancelledError:
            self._cancel_soon()
            raise
        except BaseException:
            self._is_over = True
            raise
        self._result = make_result(answer, self._opened.verdict, asked.correlation_id)
        raise StopAsyncIteration

    @property
    def text(self) -> str:
        """Of the first answer, as far as it came; kept where it failed or was cancelled."""
        return "" if self._asked is None else self._asked.text

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, as far as it came."""
        return "" if self._asked is None else self._asked.reasoning

    @property
    def result(self) -> Result:
        """The whole answer, once the last piece was taken."""
        if self._result is None:
            raise Misuse(USAGE, "the stream has no result before its end", hint="Take all of its pieces first.")
        return self._result

    async def finish(self) -> Result:
        """Take all that is left, and the result."""
        async with self:
            async for _ in self:
                pass
        return self.result

    async def begin(self) -> None:
        """Ask now. Raises what the first room says no with."""
        await self._begin()

    async def close(self) -> None:
        """Not wanted any more. Any number of times, also when it is over."""
        self._is_over = True
        if self._asked is not None and not self._opened.is_closed:
            try:
                await run_apart(self._threads, self._asked.cancel)
            except asyncio.CancelledError:  # perhaps before a thread had time for it
                self._cancel_soon()
                raise

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._cancel_soon()
            return
        try:
            await self.close()
        except Exception:
            if error is None:
                raise

    def __del__(self) -> None:
        asked = getattr(self, "_asked", None)
        if asked is not None and not self._is_over:
            asked.abandon()

    async def _begin(self) -> AnswerInFlight:
        """Ask, once; it is on its way when this returns."""
        if self._asked is None:
            tell = tell_loop(asyncio.get_running_loop(), self._ready)
            opened, request = self._opened, self._request
            if opened.is_closed:
                opened.ask(request)  # which says so, and there may be no threads left
            self._asked = opened.ask_at_once(request, tell, self._correlation_id, self._entrance)
            is_short = self._asked is not None
            if self._asked is None:
                self._asked = await run_apart(
                    self._threads,
                    lambda: opened.ask(request, tell, self._correlation_id, self._entrance),
                    lambda asked: asked.cancel(),
                )
            try:
                await wait_for_turn(self._asked, self._threads, self._ready, is_short=is_short)
                if self._asked.is_over:  # it could not be started, which the record is to hear
                    await run_apart(self._threads, self._asked.conclude)
            except asyncio.CancelledError:
                self._cancel_soon()
                raise
            except BaseException:  # such as no threads any more, as the model is being closed
                self._is_over = True
                self._asked.let_go()
                raise
        return self._asked

    def _cancel_soon(self) -> None:
        """Without waiting for it: who was cancelled goes at once."""
        self._is_over = True
        if self._asked is not None and not self._opened.is_closed:
            cancel_soon(self._asked, self._threads)
