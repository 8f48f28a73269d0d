"""A field is named as the client calls it, wherever it was refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from ostiary.errors import (
    ADMISSION_OVERLOADED,
    ADMISSION_TOO_LARGE,
    CONTRACT_RANGE,
    WORKER_CALL_REFUSED,
    AdmissionRefused,
    CallRefused,
    ContractRefused,
)
from ostiary.gateway.anthropic.forms import MessagesBody
from ostiary.gateway.anthropic.read import list_places, parse_messages
from ostiary.gateway.naming import CHAT_NEWER, EMBEDDINGS, MESSAGES, RESPONSES, Names, naming
from ostiary.gateway.openai import chat, read_responses, responses
from ostiary.gateway.openai.responses_forms import ResponsesBody


@pytest.mark.parametrize(
    ("names", "field", "told"),
    [
        (CHAT_NEWER, "max_tokens", "max_completion_tokens"),
        (CHAT_NEWER, "max_tokens_of_another", "max_tokens_of_another"),
        (CHAT_NEWER, "response_format.schema.a", "response_format.json_schema.schema.a"),
        (CHAT_NEWER, "temperature", "temperature"),
        (RESPONSES, "messages[3].content", "input"),
        (RESPONSES, "tools[2].function.parameters.not", "tools[2].parameters.not"),
        (RESPONSES, "response_format.schema", "text.format.schema"),
        (MESSAGES, "tools[0].function.parameters", "tools[0].input_schema"),
        (MESSAGES, "tools[0].function.name", "tools[0].name"),
        (MESSAGES, "stop", "stop_sequences"),
        (MESSAGES, "messages[4].content", "messages"),
        (EMBEDDINGS, "text", "input"),
    ],
)
def test_names(names: Names, field: str, told: str) -> None:
    with pytest.raises(ContractRefused) as refused, naming(names):
        raise ContractRefused(CONTRACT_RANGE, f"{field} is too much", field=field, rule="range", limit=3)
    assert (refused.value.field, refused.value.message) == (told, f"{told} is too much")
    by_engine = CallRefused(WORKER_CALL_REFUSED, "no")
    by_engine.field = field
    with pytest.raises(CallRefused) as called, naming(names):
        raise by_engine
    assert called.value.field == told
    assert (refused.value.rule, refused.value.limit, refused.value.code) == ("range", 3, "CONTRACT_RANGE")


def test_a_message_is_named_by_its_place_in_what_the_client_of_anthropic_sent() -> None:
    result: Any = {"type": "tool_result", "tool_use_id": "a", "content": "1"}
    said: list[Any] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}] * 2},
        {"role": "user", "content": [result, result, {"type": "text", "text": "so"}]},
    ]
    told = ["messages[0].content", "messages[1].content", "messages[2].content[0]", "messages[2].content[1]"]
    told += ["messages[2].content"]
    for more, first in (({}, []), ({"system": "Be brief."}, ["system"])):
        body = msgspec.convert({"model": "m", "max_tokens": 1, "messages": said, **more}, MessagesBody)
        assert list_places(body) == first + told
        asked: Any = parse_messages(body, None).fields["messages"]
        assert len(asked) == len(first + told)
        field = f"messages[{len(first) + 3}].content[0].text"
        with pytest.raises(ContractRefused) as refused, naming(MESSAGES, partial(list_places, body)):
            raise ContractRefused(CONTRACT_RANGE, f"{field} is too much", field=field)
        assert refused.value.message == "messages[2].content[1] is too much"


def test_a_message_is_named_by_its_place_in_what_the_client_of_responses_sent() -> None:
    call: Any = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    items: list[Any] = [
        {"role": "user", "content": "hi"},
        call,
        call,
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"role": "user", "content": "so"},
    ]
    for sent, places in ((items, ["input[0]", "input[1]", "input[3]", "input[4]"]), ("hi", ["input"])):
        body = msgspec.convert({"model": "m", "input": sent, "instructions": "Be brief."}, ResponsesBody)
        told = ["instructions", *places]
        assert read_responses.list_places(body) == told
        asked: Any = read_responses.parse_responses(body, None).fields["messages"]
        assert len(asked) == len(told)
        field = f"messages[{len(told) - 1}].content"
        with (
            pytest.raises(ContractRefused) as refused,
            naming(RESPONSES, partial(read_responses.list_places, body)),
        ):
            raise ContractRefused(CONTRACT_RANGE, f"{field} is too much", field=field)
        assert refused.value.field == told[-1]


class Refusing:
    """A stream that the engine refuses when it has begun; whoever writes it, and whoever asks for it."""

    def __init__(self, field: str) -> None:
        self.field = field
        self.opened = self
        self.claimed_facts: dict[str, str] = {}
        self.fields: dict[str, Any] = {}

    def ask(self, *_: Any) -> Refusing:
        return self

    async def __aenter__(self) -> Refusing:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to let go of."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._refuse()

    async def _refuse(self) -> AsyncIterator[Any]:
        refused = CallRefused(WORKER_CALL_REFUSED, "no")
        refused.field = self.field
        raise refused
        yield

    async def begin(self) -> None:
        """It is on its way."""

    def write_beginning(self, *_: Any) -> tuple[()]:
        return ()


@pytest.mark.parametrize(
    ("stream", "field", "told"),
    [
        (lambda it: responses._stream(it, it, it, it, tuple), "max_tokens", "max_output_tokens"),
        (lambda it: responses._stream(it, it, it, it, tuple), "messages", "input"),
        (
            lambda it: chat._stream(it, it, it, it, CHAT_NEWER, has_cost=False),
            "max_tokens",
            "max_completion_tokens",
        ),
    ],
)
def test_what_the_engine_refuses_of_a_stream_has_the_name_that_the_client_knows(
    stream: Callable[[Any], AsyncIterator[Any]], field: str, told: str
) -> None:
    async def take() -> None:
        async for _ in stream(Refusing(field)):
            pass

    with pytest.raises(CallRefused) as refused:
        asyncio.run(take())
    assert refused.value.field == told


def test_what_there_is_no_room_for_has_the_name_that_the_client_knows() -> None:
    detail = "max_tokens makes it need 9 MiB at least"
    with pytest.raises(AdmissionRefused) as refused, naming(RESPONSES):
        raise AdmissionRefused(
            ADMISSION_TOO_LARGE, detail, public_detail=detail, field="max_tokens", retry_after_seconds=3
        )
    assert refused.value.public_detail == "max_output_tokens makes it need 9 MiB at least"
    assert (refused.value.field, refused.value.retry_after_seconds) == ("max_output_tokens", 3)
    with pytest.raises(AdmissionRefused) as without, naming(RESPONSES):
        raise AdmissionRefused(ADMISSION_OVERLOADED, "no room now", retry_after_seconds=3)
    assert (without.value.field, without.value.code) == ("", "ADMISSION_OVERLOADED")
