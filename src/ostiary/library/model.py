"""A model as a program holds it that waits for answers: `ostiary.open`."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, Unpack

from ostiary.core.closing import Closing
from ostiary.core.requests import ParsedRequest, Piece
from ostiary.errors import USAGE, Misuse
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
from ostiary.library.function import (
    Outputs,
    TensorInfo,
    describe_inputs,
    describe_outputs,
    make_outputs,
    parse_call,
)
from ostiary.library.opening import Opened, open_here
from ostiary.library.options import read_options
from ostiary.library.result import Result, make_result
from ostiary.library.verdict import Verdict

if TYPE_CHECKING:
    from ostiary.cell.usage import CellUsage


def open(model: PathName, **arguments: Unpack[OpenArguments]) -> Model:  # noqa: A001  as `io.open` and others
    """Verify a model, wall it in, load it. For `with`; else `close` it.

    Name whom to believe (`key`, or `root` or `issuer` with `identity`, or `policy`); else the policy in its usual
    place decides. Raises Refusal for a no, Fault where the house could not do its work, Misuse.
    """
    return Model(open_here(model, read_options(arguments)))


class Model(Closing):
    """Any number of threads may ask it at once. A forked process cannot: it opens its own."""

    def __init__(self, opened: Opened) -> None:
        """Use `ostiary.open`."""
        self._opened: Final = opened

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

    def __call__(self, inputs: object = None, /, *, timeout: float | None = None, **named: object) -> Outputs:
        """Compute a function: `model(x=array)`, or `model({"x": array})`, or the array where there is one input.

        Arrays are NumPy's, MLX's or of any library that speaks DLPack; lists of numbers do, too. Outputs are arrays
        of the same library, or NumPy's. Large arrays are not copied: do not change them meanwhile.
        """
        call = parse_call(inputs, named, timeout, tuple(item.name for item in self.inputs))
        asked = self._opened.ask_function(call.request)
        try:
            answer = asked.conclude()
        except BaseException:
            asked.cancel()
            raise
        return make_outputs(answer, call.library, self.verdict, asked.correlation_id)

    def generate(self, prompt: Prompt, **options: Unpack[PromptOptions]) -> Result:
        """Go on from a text, or from token ids. `text` of what comes back does not repeat the prompt."""
        return self.stream(prompt, **options).finish()

    def chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Result:
        """The next message of a conversation, by the model's own chat template."""
        return self.stream_chat(messages, **options).finish()

    def stream(self, prompt: Prompt, **options: Unpack[PromptOptions]) -> Stream:
        """As `generate`, in pieces as they come."""
        return Stream(self._opened, parse_prompt(prompt, options))

    def stream_chat(self, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Stream:
        """As `chat`, in pieces as they come."""
        return Stream(self._opened, parse_messages(messages, options))

    def read_usage(self) -> CellUsage:
        """What its process uses now."""
        return self._opened.read_usage()

    def close(self) -> None:
        """End it. What is still asked of it fails. Any number of times, from any thread."""
        self._opened.close()

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is not None:
            close_forgotten(opened, self)


class Stream(Closing, Iterator[Piece]):
    """An answer on its way: iterate over its pieces; then `result` has it whole.

    Leaving it early (`close`, a `with`, or no reference left) cancels it between two tokens. One thread at a time.
    """

    def __init__(self, opened: Opened, request: ParsedRequest) -> None:
        """Use `Model.stream`."""
        self._verdict: Final = opened.verdict
        self._asked: Final = opened.ask(request)
        self._pieces: Final = iter(self._asked)
        self._result: Result | None = None
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Piece:
        """Raises what ended it instead of an answer."""
        if self._is_over:
            raise StopIteration
        try:
            return next(self._pieces)
        except StopIteration:
            self._result = make_result(self._asked.conclude(), self._verdict, self._asked.correlation_id)
            raise
        finally:
            self._is_over = self._asked.is_over

    @property
    def text(self) -> str:
        """Of the first answer, as far as it came; kept where it failed or was cancelled."""
        return self._asked.text

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, as far as it came."""
        return self._asked.reasoning

    @property
    def completion_tokens(self) -> int:
        """Of all answers, as far as they came."""
        return self._asked.completion_tokens

    @property
    def is_finished(self) -> bool:
        """Whether there is a result."""
        return self._result is not None

    @property
    def is_cancelled(self) -> bool:
        """Whether it was left before its end."""
        return self._asked.is_cancelled

    @property
    def correlation_id(self) -> str:
        """Joins it to the record."""
        return self._asked.correlation_id

    @property
    def result(self) -> Result:
        """The whole answer, once the last piece was taken."""
        if self._result is None:
            raise Misuse(USAGE, "the stream has no result before its end", hint="Take all of its pieces first.")
        return self._result

    def finish(self) -> Result:
        """Take all that is left, and the result."""
        with self:
            for _ in self:
                pass
        return self.result

    def close(self) -> None:
        """Not wanted any more. Any number of times, also when it is over."""
        self._is_over = True
        self._asked.cancel()

    def __del__(self) -> None:
        if hasattr(self, "_is_over") and not self._is_over:
            self._asked.abandon()


def close_forgotten(opened: Opened, model: object) -> None:
    """From inside the garbage collector, which must not wait: a thread of its own closes it."""
    if opened.is_closed:
        return
    warnings.warn("a model was not closed: use `with`", ResourceWarning, source=model, stacklevel=2)
    with suppress(RuntimeError):  # the interpreter ends: whoever is registered is closed there
        threading.Thread(target=_close_quietly, args=(opened,), name="ostiary-close").start()


def _close_quietly(opened: Opened) -> None:
    with suppress(Exception):
        opened.close()
