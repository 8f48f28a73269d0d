"""Every exception that MLX and the tokenizer raise is one of our errors, and nothing of its text gets out."""

from __future__ import annotations

import pytest

from ostiary.core.frames import ErrorName
from ostiary.networks.failures import FAILURES, explain_failure


class PanicException(BaseException):
    """What the tokenizers library raises from Rust."""


@pytest.mark.parametrize(
    ("error", "name", "part"),
    [
        (MemoryError("std::bad_alloc"), ErrorName.OUT_OF_MEMORY, "memory"),
        (
            RuntimeError(
                "[metal::malloc] Attempting to allocate 9 bytes which is greater than the maximum allowed"
            ),
            ErrorName.OUT_OF_MEMORY,
            "in one piece",
        ),
        (RuntimeError("[malloc] Unable to allocate 9 bytes."), ErrorName.OUT_OF_MEMORY, "not enough memory"),
        (RuntimeError("Resource limit (499000) exceeded."), ErrorName.OUT_OF_MEMORY, "as many"),
        (
            RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (00000008)"),
            ErrorName.OUT_OF_MEMORY,
            "ran out",
        ),
        (
            RuntimeError("[METAL] Command buffer execution failed: Caused GPU Hang"),
            ErrorName.ENGINE_FAILED,
            "device",
        ),
        (RuntimeError("Resource temporarily unavailable"), ErrorName.ENGINE_FAILED, "threads"),
        (RuntimeError("[Compile::eval_cpu] Failed to compile"), ErrorName.ENGINE_FAILED, "compiling"),
        (RuntimeError("[read] Unable to read from file."), ErrorName.ENGINE_FAILED, "too early"),
        (RuntimeError("[load] Failed to read from python stream"), ErrorName.ENGINE_FAILED, "too early"),
        (RuntimeError("[GatherMM::eval] Currently only supports float32."), ErrorName.ENGINE_FAILED, "format"),
        (RuntimeError("[write] Unable to write 9 bytes to file."), ErrorName.ENGINE_FAILED, "written"),
        (RuntimeError("[load_safetensors] Invalid json header"), ErrorName.ENGINE_FAILED, "malformed"),
        (ValueError("[matmul] Last dimension of first input with shape (1,9)"), ErrorName.ENGINE_FAILED, "shapes"),
        (IndexError("/secret/path"), ErrorName.ENGINE_FAILED, "lacks"),
        (AttributeError("x"), ErrorName.ENGINE_FAILED, "lacks"),
        (ZeroDivisionError("x"), ErrorName.ENGINE_FAILED, "divides"),
        (TypeError("x"), ErrorName.ENGINE_FAILED, "type"),
        (RecursionError("x"), ErrorName.ENGINE_FAILED, "nested"),
        (OSError(5, "/secret/path"), ErrorName.ENGINE_FAILED, "system"),
        (RuntimeError("something new"), ErrorName.ENGINE_FAILED, "could not"),
        (PanicException("called `Option::unwrap()` on a `None` value"), ErrorName.ENGINE_FAILED, "tokenizer"),
        (type("Strange", (Exception,), {})("/secret/path"), ErrorName.ENGINE_FAILED, "nobody foresaw"),
    ],
)
def test_exceptions(error: BaseException, name: ErrorName, part: str) -> None:
    failure = explain_failure(error)
    assert failure.name is name
    assert part in failure.sentence
    assert str(error) not in failure.sentence


def test_every_row_can_be_reached() -> None:
    reached = {explain_failure(_raise_like(row)) for row in FAILURES}
    assert reached == set(FAILURES)


def _raise_like(row: object) -> BaseException:
    error: BaseException = row.raised(f"at 0x7f {row.part} of /secret")  # type: ignore[attr-defined]
    return error
