"""What a worker says of a text that it only measures is believed only in its one form."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from ostiary.answer import RequestEndings
from ostiary.answer.gather import Gathering
from ostiary.contract import TextContract, check_request
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import ContractRefused, SandboxViolation
from ostiary.record.request_events import RequestAnswered
from ostiary.testing import capture_events

CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)
USAGE = {"prompt_tokens": 3}


def embed(**fields: Any) -> Gathering:
    return Gathering(check_request(ParsedRequest(Operation.EMBED, {"text": "a", **fields}), CONTRACT), 0.0)


def render() -> Gathering:
    fields = {"messages": [{"role": "user", "content": "a"}]}
    return Gathering(check_request(ParsedRequest(Operation.RENDER, fields), CONTRACT), 0.0)


def test_a_vector() -> None:
    data = struct.pack("<2f", 0.6, 0.8)
    gathering = embed()
    answer = gathering.take_result({"size": 2, "usage": USAGE}, data)
    assert (answer.vector, answer.choices, answer.usage.prompt_tokens) == (data, (), 3)
    assert (gathering.text, gathering.completion_tokens) == ("", 0)


def test_a_count() -> None:
    assert render().take_result({"text": "a", "tokens": [1, 2]}).usage.prompt_tokens == 2


@pytest.mark.parametrize(
    ("body", "tail"),
    [
        ({"size": 2, "usage": USAGE}, b""),
        ({"size": 2, "usage": USAGE}, bytes(12)),
        ({"size": 0, "usage": USAGE}, b""),
        ({"size": -1, "usage": USAGE}, b""),
        ({"size": True, "usage": USAGE}, bytes(4)),
        ({"size": 1 << 60, "usage": USAGE}, bytes(4)),
        ({"size": 1, "usage": {}}, bytes(4)),
        ({"size": 1, "usage": {"prompt_tokens": -1}}, bytes(4)),
        ({"size": 1, "usage": USAGE, "more": 1}, bytes(4)),
        ({"size": 1, "usage": USAGE}, struct.pack("<f", float("nan"))),
        ({"size": 1, "usage": USAGE}, struct.pack("<f", float("inf"))),
        ({"choices": [], "seed": 0, "usage": USAGE}, b""),
    ],
)
def test_no_vector(body: Any, tail: bytes) -> None:
    with pytest.raises(SandboxViolation):
        embed().take_result(body, tail)


@pytest.mark.parametrize(
    ("body", "tail"), [({"text": "a"}, b""), ({"text": "a", "tokens": 1}, b""), ({"text": "a", "tokens": []}, b"x")]
)
def test_no_count(body: Any, tail: bytes) -> None:
    with pytest.raises(SandboxViolation):
        render().take_result(body, tail)


def test_nothing_is_said_piece_by_piece() -> None:
    with pytest.raises(SandboxViolation):
        embed().take_piece({"choice": 0, "tokens": [1], "text": "a"})


@pytest.mark.parametrize(
    "fields",
    [{"text": None}, {"text": []}, {"text": [64]}, {"text": 1}, {"pooling": "cls"}, {"max_tokens": 1}, {"n": 2}],
)
def test_a_question_that_does_not_fit(fields: Any) -> None:
    with pytest.raises(ContractRefused):
        embed(**fields)


def test_a_text_that_is_embedded_is_hashed_where_prompts_are() -> None:
    with capture_events() as (events, emit):
        ending = RequestEndings(emit, "opened", "root", has_content=True).begin(Operation.EMBED)
        gathering = embed()
        ending.note_request(gathering.request)
        ending.answered(gathering.take_result({"size": 1, "usage": USAGE}, struct.pack("<f", 1.0)))
    (event,) = events
    assert isinstance(event, RequestAnswered)
    assert (event.operation, event.finish, event.prompt_tokens) == ("embed", (), 3)
    assert event.prompt is not None
