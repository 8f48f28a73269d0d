"""What MLX and the tokenizer raise, as errors of ours.

Nothing of a foreign text leaves: it can hold paths and values.
docs/engine-failures.md lists every row with what leads to it.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.frames import ErrorName
from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of foreign exception, known by its class and a part of its text."""

    raised: type[BaseException]
    part: str
    name: ErrorName
    sentence: str


FAILURES: Final = (
    Failure(MemoryError, "", ErrorName.OUT_OF_MEMORY, "there was not enough memory"),
    Failure(
        RuntimeError,
        "[metal::malloc]",
        ErrorName.OUT_OF_MEMORY,
        "the device does not give so much memory in one piece",
    ),
    Failure(RuntimeError, "Insufficient Memory", ErrorName.OUT_OF_MEMORY, "the device ran out of memory"),
    Failure(RuntimeError, "out of memory", ErrorName.OUT_OF_MEMORY, "the device ran out of memory"),
    Failure(RuntimeError, "[malloc]", ErrorName.OUT_OF_MEMORY, "there was not enough memory"),
    Failure(
        RuntimeError,
        "Resource limit",
        ErrorName.OUT_OF_MEMORY,
        "the device holds as many pieces of memory as it can",
    ),
    Failure(RuntimeError, "[METAL] Command buffer execution failed", ErrorName.ENGINE_FAILED, "the device failed"),
    Failure(RuntimeError, "CUDA", ErrorName.ENGINE_FAILED, "the device failed"),
    Failure(
        RuntimeError,
        "Resource temporarily unavailable",
        ErrorName.ENGINE_FAILED,
        "no more threads may be started",
    ),
    Failure(
        RuntimeError,
        "Compile::eval_cpu",
        ErrorName.ENGINE_FAILED,
        "a step asked for compiling, which is off behind the wall",
    ),
    Failure(RuntimeError, "[read] Unable to read", ErrorName.ENGINE_FAILED, "a weights file ended too early"),
    Failure(RuntimeError, "[load] Failed to read", ErrorName.ENGINE_FAILED, "a weights file ended too early"),
    Failure(
        RuntimeError,
        "Currently only supports",
        ErrorName.ENGINE_FAILED,
        "the network computes in a format that MLX does not have on this device",
    ),
    Failure(RuntimeError, "[write] Unable to write", ErrorName.ENGINE_FAILED, "something could not be written"),
    Failure(RuntimeError, "safetensors", ErrorName.ENGINE_FAILED, "a weights file is malformed"),
    Failure(
        ValueError, "", ErrorName.ENGINE_FAILED, "the network does not take shapes or values that it was given"
    ),
    Failure(TypeError, "", ErrorName.ENGINE_FAILED, "the network was given something of the wrong type"),
    Failure(
        ArithmeticError, "", ErrorName.ENGINE_FAILED, "the network divides by zero or leaves the range of numbers"
    ),
    Failure(LookupError, "", ErrorName.ENGINE_FAILED, "the network lacks something that it needs"),
    Failure(AttributeError, "", ErrorName.ENGINE_FAILED, "the network lacks something that it needs"),
    Failure(RecursionError, "", ErrorName.ENGINE_FAILED, "the work is nested too deeply"),
    Failure(RuntimeError, "", ErrorName.ENGINE_FAILED, "the engine could not do this"),
    Failure(OSError, "", ErrorName.ENGINE_FAILED, "the system refused something"),
)
"""The first row that fits counts."""

PANIC: Final = Failure(BaseException, "", ErrorName.ENGINE_FAILED, "the tokenizer gave up on this text")
UNKNOWN: Final = Failure(Exception, "", ErrorName.ENGINE_FAILED, "the engine failed in a way that nobody foresaw")
NOT_A_NUMBER: Final = Failure(
    Exception, "", ErrorName.ENGINE_FAILED, "the network computed something that is not a number"
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
