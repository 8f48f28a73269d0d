"""What an engine is to the worker that runs it, and what the worker promises an engine.

An engine is a module with one function, `prepare_engine(settings) -> MakeEngine` (see `PrepareEngine`). Its life:

1. `prepare_engine` runs once in the fork server, with one thread and no model anywhere near. It imports what the
   engine needs and turns off whatever would open files or start programs later. It must leave one thread behind.
   What it leaves in memory is shared by all workers forked later: random states are seeded anew in each worker.
2. The maker runs in each worker, still in front of the wall, still with one thread. No model byte was seen yet.
3. The wall goes up. From here on nothing can be opened, no program started; threads may be started up to
   `EngineLimits.threads`. A module that was not imported yet raises ImportError.
   The environment is empty: what a library reads there while it works has to be set again
   (`TOKENIZERS_PARALLELISM=false`: else a batch of texts counts processors in a file, which ends the process).
4. `read_contents` once, `read_weights` once for each weights file in the model's order, `finish_load` once.
5. Then, in any order: `submit`, `cancel`, `step`; always from one thread, never one within the other.

Whatever an engine raises is caught, also what is no `Exception`: the one call that it was raised for is answered
with an error. What `step` raises fails every call in flight; an engine that can tell whose fault it was answers
with `Reply.failed` instead. Sentences go to the operator's record: one line, no prompt text, no tensor values, no
paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from ostiary.core.frames import ErrorName, JsonObject, LimitName, ReplyKind, Tail
from ostiary.core.values import dataclass
from ostiary.networks.unfit import ModelUnfit

__all__: Final = [
    "Call",
    "CallOverLimit",
    "CallUnfit",
    "Engine",
    "EngineLimits",
    "EngineUsage",
    "ErrorName",
    "JsonObject",
    "LimitName",
    "MakeEngine",
    "ModelUnfit",
    "PrepareEngine",
    "Reply",
    "ReplyKind",
]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the application sent it. `id` is never used again within one worker."""

    id: int
    operation: str
    body: JsonObject
    tail: Tail = b""
    """Binary data: tensors, end to end; the body says where each begins."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something to tell the caller. The body is JSON within MAX_REPLY_BODY_BYTES, all numbers in it finite."""

    call_id: int
    kind: ReplyKind
    body: JsonObject
    tail: Tail = b""

    @staticmethod
    def failed(call_id: int, name: ErrorName, sentence: str, limit: LimitName | None = None) -> Reply:
        """The one error that ends this call. `limit`: which bound of the model's contract, where it is one."""
        body: JsonObject = {"code": name.value, "sentence": sentence}
        return Reply(call_id, ReplyKind.ERROR, body if limit is None else {**body, "limit": limit.value})


class CallUnfit(Exception):
    """Raised by `submit`: the call does not fit the model. The text says what does not fit."""

    limit: LimitName | None = None
    """Which bound of the model's contract says no, where it is one."""


class CallOverLimit(CallUnfit):
    """It would fit the model, but not what the model's contract allows."""

    def __init__(self, limit: LimitName, sentence: str) -> None:
        super().__init__(sentence)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What the engine may use: the kernel and the watchdog hold it to these; here it learns them to plan ahead."""

    memory_bytes: int
    threads: int
    tokens: int
    """Pieces that one call may have at most: a worker that sends more is ended."""
    calls: int
    """Calls that may be in flight at once."""


@dataclass(frozen=True, slots=True)
class EngineUsage:
    """What only the engine knows. None: it cannot tell."""

    tokens: int = 0
    """All tokens that were generated so far."""
    device_bytes: int | None = None
    """Memory held on an accelerator now."""


class Engine(Protocol):
    """Runs one model. Made for one model and never for a second."""

    name: str

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        """The small files: path to bytes. They were verified; they are not therefore well-meaning."""

    def read_weights(self, path: str, descriptor: int, size: int) -> None:
        """One weights file. Everything needed is read before this returns; the worker closes the descriptor."""

    def finish_load(self) -> JsonObject:
        """Build the network. What is returned is shown to the application as `RunningCell.facts`."""

    def submit(self, call: Call) -> None:
        """Take a call, or raise CallUnfit. No long work here: that is for `step`."""

    def cancel(self, call_id: int) -> None:
        """Forget this call; say nothing more of it. An id that is not in flight is no error."""

    def step(self) -> Sequence[Reply]:
        """One bounded piece of work for the calls in flight, say a token for each. Called only while `has_work`."""

    @property
    def has_work(self) -> bool:
        """Whether a call is in flight."""

    def read_usage(self) -> EngineUsage:
        """Called now and then between steps; must be cheap."""


MakeEngine: TypeAlias = Callable[[EngineLimits], Engine]
"""In the worker, before the wall goes up."""

PrepareEngine: TypeAlias = Callable[[JsonObject], MakeEngine]
"""`prepare_engine` of every engine's module. Its argument: the application's settings for this engine.

Raises ImportError where something is not installed: the application sees EXTRA_MISSING.
"""
