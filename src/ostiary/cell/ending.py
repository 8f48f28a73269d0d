"""Why a worker ended: one cause out of what the kernel, the watchdog and the record of denied calls say. Pure.

Nothing that the process itself said counts here. docs/cell.md has the same table for people.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    CELL_CLOSED,
    WORKER_CPU_TIME,
    WORKER_CRASHED,
    WORKER_MALFORMED_ANSWER,
    WORKER_OUT_OF_MEMORY,
    WORKER_SILENT,
    WORKER_VIOLATION,
    Misuse,
    OstiaryError,
    SandboxViolation,
    WorkerCrashed,
    WorkerOutOfMemory,
    WorkerOutOfTime,
    WorkerSilent,
)


class Cause(StrEnum):
    """As `cell.ended` has it."""

    CLOSED = "closed"
    """We asked it to end."""
    MEMORY = "memory"
    """It reached its own memory limit."""
    OOM = "oom"
    """The system ran out of memory and chose it."""
    CPU = "cpu"
    """It used up its processor time."""
    WALL_TIME = "wall_time"
    """It did not load, answer or finish in time: slow, hanging or stopped."""
    VIOLATION = "violation"
    """It asked the kernel for what the wall does not let through."""
    MALFORMED = "malformed"
    """It spoke to us in a way that only a broken or hostile process does."""
    CRASH = "crash"
    """It ended by itself."""
    KILLED = "killed"
    """Somebody outside ended it."""
    STOPPED = "stopped"
    """Somebody outside stopped it, for longer than may be."""
    PARENT = "parent"
    """It ended because what it belongs to did."""
    REPLACED = "replaced"
    """Its engine had failed in it so often that another is to go on."""


COUNTED: Final = frozenset(Cause) - {Cause.CLOSED, Cause.PARENT, Cause.REPLACED}
"""The ends that a model answers for."""

# What a process brings upon itself. Anything else was sent to it: the wall lets it signal nobody, only abort.
_OWN_FAULTS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGPIPE}
)
# Allocations fail a little before the limit: heaps grow in blocks, and the one that failed was never counted.
_NEAR_THE_LIMIT_BYTES: Final = 64 << 20
_NEAR_THE_LIMIT_SHARE: Final = 8
# Of what it held just before the end: the allocation that failed is not held, and some take a fifth of all memory.
_FULL_SHARE: Final = 5


@dataclass(frozen=True, slots=True)
class Ending:
    """All that is known of one worker's end. Exactly one of `signal` and `status` is set."""

    signal: int | None
    status: int | None
    ended_for: Cause | None = None
    """Why we killed it, or asked it to end; None where we did neither."""
    is_call_denied: bool = False
    """Whether the kernel told us of a call that the wall does not let through."""
    is_memory_denied: bool = False
    """Whether the kernel told us that it asked for more memory at once than its limit."""
    peak_bytes: int = 0
    """The most memory of its own that it held, as far as we saw."""
    last_bytes: int = 0
    """What counted against its limit when we looked last, whether it was written to or not."""
    memory_limit_bytes: int = 0
    """0 where there was none."""
    cpu_seconds: float = 0.0
    cpu_limit_seconds: int = 0
    """The kernel's own limit at the end; 0 where there was none."""
    oom_kills: int = 0
    """How many processes the kernel ended for want of memory, in our group, while this one lived."""
    is_parent_gone: bool = False
    """Whether the process that it was forked from ended first, which takes it along."""


def classify_ending(ending: Ending) -> Cause:
    """The first line that fits.

    1. A denied call was seen, or the kernel ended it for one: violation, whatever else went on.
    2. Our own SIGKILL arrived, or it ended in good order after we asked: what we ended it for.
    3. A signal that tells by itself: processor time, writing to a file.
    4. SIGKILL that we did not send: its parent, its processor time, the system's memory, somebody.
    5. A fault of its own, or an exit: memory where it was at its limit, else a crash.
    6. Any other signal: somebody.
    """
    number, asked = ending.signal, ending.ended_for
    if ending.is_call_denied or number in (signal.SIGSYS, signal.SIGXFSZ):
        return Cause.VIOLATION
    if asked is not None and (number == signal.SIGKILL or (asked is Cause.CLOSED and _is_orderly(ending))):
        return asked
    if number == signal.SIGXCPU:
        return Cause.CPU
    if number == signal.SIGKILL:
        if ending.is_parent_gone:
            return Cause.PARENT
        if ending.cpu_limit_seconds and ending.cpu_seconds >= ending.cpu_limit_seconds:
            return Cause.CPU
        return Cause.OOM if ending.oom_kills else Cause.KILLED
    if number is None or number in _OWN_FAULTS:
        if ending.is_parent_gone and _is_orderly(ending):
            return Cause.PARENT
        return Cause.MEMORY if _is_out_of_memory(ending) else Cause.CRASH
    return Cause.KILLED


def _is_orderly(ending: Ending) -> bool:
    """Exit 0, or the pipe that broke because we were gone already."""
    return ending.status == 0 or ending.signal == signal.SIGPIPE


def _is_out_of_memory(ending: Ending) -> bool:
    """MLX does not check whether an allocation failed: it uses the address, and that is a segmentation fault."""
    if ending.is_memory_denied:
        return True
    limit = ending.memory_limit_bytes
    near = min(_NEAR_THE_LIMIT_BYTES, limit // _NEAR_THE_LIMIT_SHARE)
    return limit > 0 and (ending.peak_bytes >= limit - near or ending.last_bytes >= limit - limit // _FULL_SHARE)


def explain_ending(cause: Cause, ending: Ending, detail: str = "") -> OstiaryError:
    """What the request that was under way is told. `detail` is ours, or was quoted."""
    by = f" by {name_signal(ending.signal)}" if ending.signal is not None else f" with status {ending.status}"
    more = f": {detail}" if detail else ""
    match cause:
        case Cause.CLOSED:
            return Misuse(CELL_CLOSED, f"the model was closed while it worked{more}")
        case Cause.MEMORY:
            limit = ending.memory_limit_bytes >> 20
            return WorkerOutOfMemory(
                WORKER_OUT_OF_MEMORY, f"the worker reached its memory limit of {limit:,} MiB{more}"
            )
        case Cause.OOM:
            return WorkerOutOfMemory(
                WORKER_OUT_OF_MEMORY,
                f"the system ran out of memory and ended the worker{more}",
                hint="Give the machine more memory, or the model less of it in the configuration.",
            )
        case Cause.CPU:
            return WorkerOutOfTime(WORKER_CPU_TIME, f"the worker used up its processor time{more}")
        case Cause.WALL_TIME:
            return WorkerSilent(WORKER_SILENT, f"the worker did not answer in time{more}")
        case Cause.VIOLATION:
            return SandboxViolation(
                WORKER_VIOLATION, f"the worker asked for what the wall does not let through{more}"
            )
        case Cause.MALFORMED:
            return SandboxViolation(WORKER_MALFORMED_ANSWER, f"the worker's answer is not one{more}")
        case Cause.CRASH:
            return WorkerCrashed(WORKER_CRASHED, f"the worker ended{by}{more}")
        case Cause.KILLED:
            killed = WorkerCrashed(
                WORKER_CRASHED,
                f"somebody ended the worker{by}{more}",
                hint="Find out who sends signals to it; it is started again.",
            )
            killed.is_from_outside = True
            return killed
        case Cause.STOPPED:
            stopped = WorkerCrashed(
                WORKER_CRASHED,
                f"somebody stopped the worker, so it was ended{more}",
                hint="Find out who sends signals to it; it is started again.",
            )
            stopped.is_from_outside = True
            return stopped
        case Cause.PARENT:
            return WorkerCrashed(
                WORKER_CRASHED, f"the process that workers come from ended, and the worker with it{more}"
            )
        case Cause.REPLACED:
            replaced = WorkerCrashed(
                WORKER_CRASHED,
                f"the engine had failed in the worker too often, and another takes over{more}",
                hint="Ask again; the record has the requests that it failed on.",
            )
            replaced.is_from_outside = True
            return replaced


def name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return quote_untrusted(f"signal {number}")


def explain_to_call(cause: Cause, ending: Ending, detail: str = "") -> OstiaryError:
    """What a request is told that the worker had and whose own time was not over: the others know already."""
    if cause is Cause.WALL_TIME:
        return WorkerCrashed(WORKER_CRASHED, "the worker held on to another call, and was ended for it")
    if cause is Cause.CPU:
        return WorkerCrashed(WORKER_CRASHED, "it used up another call's processor time, and was ended for it")
    return explain_ending(cause, ending, detail)


Explain: TypeAlias = Callable[[Cause, Ending, str], OstiaryError]
