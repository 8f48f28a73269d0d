# ruff: noqa: E402 (the client is imported once it is known that it is there)
"""OpenAI's own client, strict about every answer, at /v1/responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

openai = pytest.importorskip("openai")

from pydantic import BaseModel
from served_models import KEY, Served, serve_fake

from ostiary.testing import FakeEngine

REPLIES = {
    "call": '{"name": "look", "parameters": {"at": "sky"}}',
    "long": '{"name": "look", "parameters": {"at": "one two three four five six"}}',
    "broken": '{"name": "look", "parameters": {"at": "one two"} and no more',
    "person": '{"name": "Ann", "age": 7}',
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "look",
        "strict": False,
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    }
]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeEngine]:
    with FakeEngine(replies=REPLIES) as engine:
        yield engine


@pytest.fixture(scope="module")
def served(fake: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_fake(tmp_path_factory.mktemp("served"), "one") as door:
        yield door
    assert door.door.failures == []


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(
        base_url=served.openai, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        yield made


def test_an_answer(client: Any, fake: FakeEngine) -> None:
    answer = client.responses.create(model="one", input="hello there", instructions="Be kind.", metadata={"a": "b"})
    assert answer.output_text == "hello there"
    assert (answer.status, answer.incomplete_details, answer.error) == ("completed", None, None)
    assert (answer.usage.output_tokens, answer.usage.total_tokens) == (2, answer.usage.input_tokens + 2)
    assert fake.requests[-1].fields["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello there"},
    ]
    cut = client.responses.create(model="one", input="hello there", max_output_tokens=1)
    assert (cut.status, cut.incomplete_details.reason, cut.output_text) == (
        "incomplete",
        "max_output_tokens",
        "hello",
    )


def test_a_stream(client: Any) -> None:
    with client.responses.stream(model="one", input="hello there") as stream:
        events = list(stream)
        answer = stream.get_final_response()
    assert answer.output_text == "hello there"
    assert answer.usage.output_tokens == 2
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_tool_is_called_and_what_it_gave_goes_back(client: Any, fake: FakeEngine) -> None:
    answer = client.responses.create(
        model="one", input="call", tools=TOOLS, tool_choice={"type": "function", "name": "look"}
    )
    (made,) = answer.output
    assert (made.type, made.name, made.arguments) == ("function_call", "look", '{"at":"sky"}')
    back = [
        {"role": "user", "content": [{"type": "input_text", "text": "call"}]},
        made.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": made.call_id, "output": "blue"},
    ]
    assert client.responses.create(model="one", input=back, tools=TOOLS).output_text == "blue"
    told: Any = fake.requests[-1].fields["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "tool"]
    assert told[1]["tool_calls"][0]["id"] == told[2]["tool_call_id"] == made.call_id


def test_a_tool_is_called_in_a_stream(client: Any) -> None:
    with client.responses.stream(model="one", input="call", tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_response()
    assert "response.function_call_arguments.done" in kinds
    assert answer.output[0].arguments == '{"at":"sky"}'


def test_arguments_are_told_as_the_model_writes_them(client: Any) -> None:
    with client.responses.stream(model="one", input="long", tools=TOOLS) as stream:
        events = list(stream)
        answer = stream.get_final_response()
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert deltas == ['{"at":', '"one', " two", " three", " four", " five", ' six"', "}"]
    (made,) = answer.output
    assert made.arguments == "".join(deltas)
    assert (made.status, answer.status) == ("completed", "completed")


@pytest.mark.parametrize(("asked", "status"), [({"max_output_tokens": 5}, "incomplete"), ({}, "completed")])
def test_a_call_that_breaks_off_is_no_call(client: Any, asked: Any, status: str) -> None:
    with client.responses.stream(model="one", input="broken", tools=TOOLS, **asked) as stream:
        events = list(stream)
    assert "response.function_call_arguments.done" not in [event.type for event in events]
    answer = events[-1].response
    begun, text = answer.output
    assert (begun.type, begun.status) == ("function_call", "incomplete")
    assert (
        text.content[0].text
        == client.responses.create(model="one", input="broken", tools=TOOLS, **asked).output_text
    )
    assert answer.status == status


def test_a_form(client: Any, fake: FakeEngine) -> None:
    class Person(BaseModel):
        name: str
        age: int

    answer = client.responses.parse(model="one", input="person", text_format=Person)
    assert answer.output_parsed == Person(name="Ann", age=7)
    form = fake.requests[-1].fields["response_format"]
    assert isinstance(form, dict)
    assert form["schema"]["required"] == ["name", "age"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("store", True),
        ("background", True),
        ("prompt", {"id": "x"}),
        ("reasoning", {"effort": "low"}),
        ("include", ["message.output_text.logprobs"]),
        ("truncation", "auto"),
        ("max_tool_calls", 3),
        ("tools", [{"type": "web_search"}]),
        ("tools", [{"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1:9/"}]),
        ("tool_choice", {"type": "file_search"}),
        ("top_logprobs", 3),
        ("text", {"verbosity": "low"}),
        ("text", {"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}),
        (
            "input",
            [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "http://127.0.0.1:9/"}],
                }
            ],
        ),
        (
            "input",
            [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_file", "file_url": "http://127.0.0.1:9/"}],
                }
            ],
        ),
        ("input", [{"type": "item_reference", "id": "x"}]),
        ("input", [{"role": "user", "content": "a", "output": "b"}]),
        ("input", [{"type": "function_call", "name": "a", "arguments": "{}"}]),
        ("input", []),
        ("stream_options", {"include_obfuscation": False}),
        ("no_such", 1),
    ],
)
def test_a_field_that_does_not_fit_is_named(client: Any, field: str, value: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="one", input="a", extra_body={field: value})
    named = refused.value.param.split("[")[0].split(".")[0]
    assert named == field


def test_nothing_is_kept(client: Any) -> None:
    answer = client.responses.create(model="one", input="a")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)
