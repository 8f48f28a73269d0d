"""What a request counts as, by how it ended and by what was heard of it until then."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ostiary.core.requests import Usage
from ostiary.errors import (
    ANSWER_NOT_FINITE,
    CONTRACT_TOO_LONG,
    WORKER_CALL_REFUSED,
    WORKER_CRASHED,
    AnswerRefused,
    CallRefused,
    ContractRefused,
    WorkerCrashed,
)
from ostiary.walks.request_walk import AnswerInFlight

ESTIMATE, CONTEXT = 5, 128


def count(
    *, told: int | None, came: int, answer: Usage | None = None, error: Exception | None = None
) -> tuple[int, int]:
    asked = object.__new__(AnswerInFlight)
    asked._answer = None if answer is None else SimpleNamespace(usage=answer)  # type: ignore[assignment]
    asked._error = error
    object.__setattr__(asked, "_gathering", SimpleNamespace(prompt_tokens=told, completion_tokens=came))
    return asked._count_used(ESTIMATE, CONTEXT)


def test_answered_as_the_answer_says() -> None:
    assert count(told=7, came=3, answer=Usage(7, 2, 3)) == (10, 3)


def test_gone_before_the_first_token_as_estimated_and_later_as_the_engine_told() -> None:
    assert count(told=None, came=0) == (ESTIMATE, 0)
    assert count(told=7, came=3) == (10, 3)


@pytest.mark.parametrize("error", [WorkerCrashed(WORKER_CRASHED, ""), AnswerRefused(ANSWER_NOT_FINITE, "")])
def test_failed_on_the_way_as_far_as_it_came(error: Exception) -> None:
    assert count(told=7, came=3, error=error) == (10, 3)


@pytest.mark.parametrize("error", [ContractRefused(CONTRACT_TOO_LONG, ""), CallRefused(WORKER_CALL_REFUSED, "")])
def test_refused_by_the_engine_as_nothing(error: Exception) -> None:
    assert count(told=None, came=0, error=error) == (0, 0)


@pytest.mark.parametrize("answer", [None, Usage(10**12, 0, 3)])
def test_a_worker_that_claims_more_than_there_can_be_is_not_believed(answer: Usage | None) -> None:
    assert count(told=10**12, came=3, answer=answer) == (CONTEXT + 3, 3)
