"""Every row of the table in docs/cell.md, and what the caller is told of each."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import product

import pytest

from ostiary import errors
from ostiary.cell.ending import COUNTED, Cause, Ending, classify_ending, explain_ending

GIB = 1 << 30
PLAIN = Ending(signal=None, status=1, memory_limit_bytes=GIB, peak_bytes=GIB // 4)


def _by(number: int, **known: object) -> Ending:
    return replace(PLAIN, signal=number, status=None, **known)  # type: ignore[arg-type]


def _with(status: int, **known: object) -> Ending:
    return replace(PLAIN, signal=None, status=status, **known)  # type: ignore[arg-type]


ROWS = [
    # 1. What the wall saw comes first.
    (_by(signal.SIGSYS), Cause.VIOLATION),
    (_by(signal.SIGXFSZ), Cause.VIOLATION),
    (_by(signal.SIGKILL, is_call_denied=True), Cause.VIOLATION),
    (_by(signal.SIGKILL, is_call_denied=True, ended_for=Cause.WALL_TIME), Cause.VIOLATION),
    (_with(0, is_call_denied=True, ended_for=Cause.CLOSED), Cause.VIOLATION),
    (_by(signal.SIGSEGV, is_call_denied=True, peak_bytes=GIB), Cause.VIOLATION),
    # 2. What we ended it for.
    *((_by(signal.SIGKILL, ended_for=cause), cause) for cause in Cause),
    (_by(signal.SIGKILL, ended_for=Cause.WALL_TIME, oom_kills=1, is_parent_gone=True), Cause.WALL_TIME),
    (_with(0, ended_for=Cause.CLOSED), Cause.CLOSED),
    (_by(signal.SIGPIPE, ended_for=Cause.CLOSED), Cause.CLOSED),
    # ... unless it was faster.
    (_by(signal.SIGSEGV, ended_for=Cause.WALL_TIME), Cause.CRASH),
    (_by(signal.SIGSEGV, ended_for=Cause.CLOSED), Cause.CRASH),
    (_by(signal.SIGXCPU, ended_for=Cause.WALL_TIME), Cause.CPU),
    (_with(1, ended_for=Cause.CLOSED), Cause.CRASH),
    (_with(0, ended_for=Cause.MEMORY), Cause.CRASH),
    # 3. A signal that tells by itself.
    (_by(signal.SIGXCPU), Cause.CPU),
    # 4. SIGKILL that nobody here sent.
    (_by(signal.SIGKILL), Cause.KILLED),
    (_by(signal.SIGKILL, oom_kills=1), Cause.OOM),
    (_by(signal.SIGKILL, is_parent_gone=True, oom_kills=1), Cause.PARENT),
    (_by(signal.SIGKILL, cpu_limit_seconds=10, cpu_seconds=10.01), Cause.CPU),
    (_by(signal.SIGKILL, cpu_limit_seconds=10, cpu_seconds=9.9), Cause.KILLED),
    (_by(signal.SIGKILL, cpu_limit_seconds=0, cpu_seconds=9.9), Cause.KILLED),
    # 5. By itself: out of memory, or not.
    *((_by(number), Cause.CRASH) for number in (4, 5, 6, 7, 8, 11, 13)),
    *((_by(number, peak_bytes=GIB), Cause.MEMORY) for number in (4, 5, 6, 7, 8, 11, 13)),
    (_by(signal.SIGSEGV, peak_bytes=GIB - (64 << 20)), Cause.MEMORY),
    (_by(signal.SIGSEGV, peak_bytes=GIB - (64 << 20) - 1), Cause.CRASH),
    (_by(signal.SIGSEGV, peak_bytes=7 << 20, memory_limit_bytes=8 << 20), Cause.MEMORY),
    (_by(signal.SIGSEGV, peak_bytes=(7 << 20) - 1, memory_limit_bytes=8 << 20), Cause.CRASH),
    (_by(signal.SIGSEGV, is_memory_denied=True), Cause.MEMORY),
    (_by(signal.SIGSEGV, last_bytes=GIB - GIB // 5), Cause.MEMORY),
    (_by(signal.SIGSEGV, last_bytes=GIB - GIB // 5 - 1), Cause.CRASH),
    (_by(signal.SIGSEGV, last_bytes=GIB, memory_limit_bytes=0), Cause.CRASH),
    (_by(signal.SIGSEGV, peak_bytes=GIB, memory_limit_bytes=0), Cause.CRASH),
    (_with(1), Cause.CRASH),
    (_with(0), Cause.CRASH),
    (_with(1, peak_bytes=GIB), Cause.MEMORY),
    (_with(1, is_memory_denied=True), Cause.MEMORY),
    (_with(0, is_parent_gone=True), Cause.PARENT),
    (_by(signal.SIGPIPE, is_parent_gone=True), Cause.PARENT),
    (_with(1, is_parent_gone=True), Cause.CRASH),
    # 6. Somebody outside.
    (_by(signal.SIGTERM), Cause.KILLED),
    (_by(signal.SIGINT), Cause.KILLED),
    (_by(signal.SIGTERM, ended_for=Cause.WALL_TIME), Cause.KILLED),
    (_by(signal.SIGTERM, peak_bytes=GIB), Cause.KILLED),
    (_by(63), Cause.KILLED),
]


@pytest.mark.parametrize(("ending", "cause"), ROWS)
def test_a_row(ending: Ending, cause: Cause) -> None:
    assert classify_ending(ending) is cause


def test_every_cause_comes_out_of_some_row() -> None:
    assert {cause for _, cause in ROWS} == set(Cause)


def test_any_ending_has_a_cause() -> None:
    for number, status, asked in product((*range(1, 65), None), (0, 1, 255), (None, *Cause)):
        ending = Ending(number, status if number is None else None, ended_for=asked)
        assert classify_ending(ending) in Cause


@pytest.mark.parametrize(
    ("cause", "cls", "code"),
    [
        (Cause.CLOSED, errors.Misuse, "CELL_CLOSED"),
        (Cause.MEMORY, errors.WorkerOutOfMemory, "WORKER_OUT_OF_MEMORY"),
        (Cause.OOM, errors.WorkerOutOfMemory, "WORKER_OUT_OF_MEMORY"),
        (Cause.CPU, errors.WorkerOutOfTime, "WORKER_CPU_TIME"),
        (Cause.WALL_TIME, errors.WorkerSilent, "WORKER_SILENT"),
        (Cause.VIOLATION, errors.SandboxViolation, "WORKER_VIOLATION"),
        (Cause.MALFORMED, errors.SandboxViolation, "WORKER_MALFORMED_ANSWER"),
        (Cause.CRASH, errors.WorkerCrashed, "WORKER_CRASHED"),
        (Cause.KILLED, errors.WorkerCrashed, "WORKER_CRASHED"),
        (Cause.STOPPED, errors.WorkerCrashed, "WORKER_CRASHED"),
        (Cause.PARENT, errors.WorkerCrashed, "WORKER_CRASHED"),
        (Cause.REPLACED, errors.WorkerCrashed, "WORKER_CRASHED"),
    ],
)
def test_what_the_caller_is_told(cause: Cause, cls: type[errors.OstiaryError], code: str) -> None:
    error = explain_ending(cause, _by(signal.SIGSEGV), "in a word")
    assert type(error) is cls
    assert error.code == code
    assert error.message.endswith("in a word")
    assert error.hint


def test_a_message_names_the_signal_or_the_status() -> None:
    assert "by SIGSEGV" in explain_ending(Cause.CRASH, _by(11)).message
    assert "by signal 63" in explain_ending(Cause.KILLED, _by(63)).message
    assert "with status 7" in explain_ending(Cause.CRASH, _with(7)).message


def test_what_it_was_asked_can_be_asked_of_another_only_where_somebody_else_ended_it() -> None:
    told = {cause: explain_ending(cause, _by(signal.SIGKILL)) for cause in Cause}
    crashes = {cause: error for cause, error in told.items() if isinstance(error, errors.WorkerCrashed)}
    outside = {Cause.KILLED, Cause.STOPPED, Cause.REPLACED}
    assert {cause for cause, error in crashes.items() if error.is_from_outside} == outside
    assert Cause.CRASH in crashes


def test_a_model_answers_for_all_ends_but_two() -> None:
    assert set(Cause) - COUNTED == {Cause.CLOSED, Cause.PARENT, Cause.REPLACED}
