"""What MLX and the tokenizer raise, as errors of ours.

Nothing of a foreign text leaves: it can hold paths and values. docs/reference/engine-failures.md is made of this.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.frames import ErrorName
from ostiary.core.values import dataclass

_MEMORY, _FAILED = ErrorName.OUT_OF_MEMORY, ErrorName.ENGINE_FAILED


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of foreign exception, known by its class and a part of its text."""

    raised: type[BaseException]
    part: str
    name: ErrorName
    sentence: str
    when: str
    """What leads to it."""


FAILURES: Final = (
    Failure(MemoryError, "", _MEMORY, "there was not enough memory", "Python itself could not get memory"),
    Failure(
        RuntimeError,
        "[metal::malloc]",
        _MEMORY,
        "the device does not give so much memory in one piece",
        "a tensor larger than Metal's largest buffer",
    ),
    Failure(
        RuntimeError,
        "Insufficient Memory",
        _MEMORY,
        "the device ran out of memory",
        "a Metal command buffer that failed for want of memory",
    ),
    Failure(RuntimeError, "out of memory", _MEMORY, "the device ran out of memory", "the same on CUDA"),
    Failure(
        RuntimeError,
        "[malloc]",
        _MEMORY,
        "there was not enough memory",
        "an allocation that MLX checks; those that it does not check end the process (WORKER_OUT_OF_MEMORY)",
    ),
    Failure(
        RuntimeError,
        "Resource limit",
        _MEMORY,
        "the device holds as many pieces of memory as it can",
        "too many buffers at once on Metal",
    ),
    Failure(
        RuntimeError,
        "[METAL] Command buffer execution failed",
        _FAILED,
        "the device failed",
        "a hang or a fault of the device",
    ),
    Failure(RuntimeError, "CUDA", _FAILED, "the device failed", "a fault of a CUDA device"),
    Failure(
        RuntimeError,
        "Resource temporarily unavailable",
        _FAILED,
        "no more threads may be started",
        "the cell's limit of threads",
    ),
    Failure(
        RuntimeError,
        "Compile::eval_cpu",
        _FAILED,
        "a step asked for compiling, which could not be done",
        "never, as compiling is turned off before the wall goes up",
    ),
    Failure(
        RuntimeError,
        "[read] Unable to read",
        _FAILED,
        "a weights file ended too early",
        "a weights file that became shorter; sealed ones cannot",
    ),
    Failure(
        RuntimeError, "[load] Failed to read", _FAILED, "a weights file ended too early", "an empty weights file"
    ),
    Failure(
        RuntimeError,
        "failed with error code",
        _FAILED,
        "a matrix has no inverse, or cannot be factorised",
        "a function that inverts or factorises a matrix which its inputs made singular",
    ),
    Failure(
        RuntimeError,
        "Currently only supports",
        _FAILED,
        "the network computes in a format that MLX does not have on this device",
        "such as products of expert matrices in bfloat16 on a processor",
    ),
    Failure(
        RuntimeError,
        "[write] Unable to write",
        _FAILED,
        "something could not be written",
        "never: nothing is written",
    ),
    Failure(
        RuntimeError,
        "Failed to open file",
        _FAILED,
        "a file could not be opened",
        "never behind the wall, where no file is opened",
    ),
    Failure(
        RuntimeError,
        "safetensors",
        _FAILED,
        "a weights file is malformed",
        "a header that MLX's own reader refuses",
    ),
    Failure(
        ValueError,
        "",
        _FAILED,
        "the network does not take shapes or values that it was given",
        "a configuration whose sizes contradict one another",
    ),
    Failure(
        TypeError,
        "",
        _FAILED,
        "the network was given something of the wrong type",
        "a configuration with a word where a number belongs",
    ),
    Failure(
        ArithmeticError,
        "",
        _FAILED,
        "the network divides by zero or leaves the range of numbers",
        "a configuration with zero heads or groups",
    ),
    Failure(
        LookupError,
        "",
        _FAILED,
        "the network lacks something that it needs",
        "a setting or a tensor that the architecture expects",
    ),
    Failure(AttributeError, "", _FAILED, "the network lacks something that it needs", "the same"),
    Failure(RecursionError, "", _FAILED, "the work is nested too deeply", "settings nested in one another"),
    Failure(RuntimeError, "", _FAILED, "the engine could not do this", "anything else that MLX refuses"),
    Failure(OSError, "", _FAILED, "the system refused something", "never seen; the wall kills before"),
)
"""The first row that fits counts. While a model is loaded, WORKER_ENGINE_FAILED becomes WORKER_LOAD_FAILED."""

PANIC: Final = Failure(
    BaseException,
    "",
    _FAILED,
    "the tokenizer gave up on this text",
    "the tokenizer panics, for instance when a regular expression takes too long",
)
UNKNOWN: Final = Failure(
    Exception, "", _FAILED, "the engine failed in a way that nobody foresaw", "an exception of no class above"
)
NOT_A_NUMBER: Final = Failure(
    Exception,
    "",
    _FAILED,
    "the network computed something that is not a number",
    "weights that overflow or hold no numbers: nothing of such an answer is told",
)


def explain_failure(error: BaseException) -> Failure:
    """Which row of the table an exception is. RecursionError is a RuntimeError and found by its own row."""
    if isinstance(error, RecursionError):
        return next(row for row in FAILURES if row.raised is RecursionError)
    text = str(error) if isinstance(error, RuntimeError) else ""
    for row in FAILURES:
        if isinstance(error, row.raised) and row.part in text:
            return row
    if not isinstance(error, Exception):
        return PANIC
    return UNKNOWN
