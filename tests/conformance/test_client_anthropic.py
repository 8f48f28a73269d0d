# ruff: noqa: E402 (the client is imported once it is known that it is there)
"""Anthropic's own client, which validates every answer strictly, against the real door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

anthropic = pytest.importorskip("anthropic")

from served_models import KEY, Served, serve_fake

from ostiary.testing import FakeEngine

HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
CALL: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "call"}]}]
TOOLS: list[Any] = [
    {
        "name": "look",
        "description": "Look.",
        "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}},
    }
]
REPLIES = {
    "call": '{"name": "look", "parameters": {"at": "sky"}}',
    "long": '{"name": "look", "parameters": {"at": "one two three four five six"}}',
    "broken": '{"name": "look", "parameters": {"at": "one two"} and no more',
}


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
    with anthropic.Anthropic(
        base_url=served.url, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        yield made


def ask(client: Any, messages: Any = HELLO, **fields: Any) -> Any:
    return client.messages.create(**{"model": "one", "max_tokens": 50, "messages": messages, **fields})


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["one"]
    assert [model.id for model in client.models.list(limit=1_000)] == ["one"]


def test_a_message(client: Any, fake: FakeEngine) -> None:
    answer = ask(
        client,
        system=[
            {"type": "text", "text": "Be ", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "kind."},
        ],
        extra_body={"temperature": 0.5, "top_k": 3},
    )
    assert [(block.type, block.text) for block in answer.content] == [("text", "hello there")]
    assert (answer.stop_reason, answer.stop_sequence, answer.role) == ("end_turn", None, "assistant")
    assert answer.usage.output_tokens == 2
    fields = fake.requests[-1].fields
    assert fields["messages"] == [{"role": "system", "content": "Be kind."}, *HELLO]
    assert (fields["temperature"], fields["top_k"], fields["max_tokens"]) == (0.5, 3, 50)


def test_ends(client: Any) -> None:
    assert ask(client, max_tokens=1).stop_reason == "max_tokens"
    stopped = ask(client, stop_sequences=[" there"])
    assert (stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text) == (
        "stop_sequence",
        " there",
        "hello",
    )


def test_a_stream(client: Any) -> None:
    with client.messages.stream(model="one", max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "hello there"
        answer = stream.get_final_message()
    assert answer.usage.input_tokens == 2
    assert answer.usage.output_tokens == 2
    assert answer.stop_reason == "end_turn"


def test_a_tool_is_used_and_what_it_gave_goes_back(client: Any, fake: FakeEngine) -> None:
    answer = ask(client, CALL, tools=TOOLS, tool_choice={"type": "any", "disable_parallel_tool_use": True})
    (used,) = answer.content
    assert (used.type, used.name, used.input) == ("tool_use", "look", {"at": "sky"})
    assert answer.stop_reason == "tool_use"
    assert fake.requests[-1].fields["tool_choice"] == "required"
    assert fake.requests[-1].fields["parallel_tool_calls"] is False
    result = {
        "type": "tool_result",
        "tool_use_id": used.id,
        "content": [{"type": "text", "text": "grey"}],
        "is_error": True,
    }
    back = [*CALL, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    assert ask(client, back, tools=TOOLS).content[0].text == "Error: grey"
    told: Any = fake.requests[-1].fields["messages"]
    assert told[1]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": "sky"}'}
    assert told[2] == {"role": "tool", "tool_call_id": used.id, "content": "Error: grey"}


def test_a_tool_is_used_in_a_stream(client: Any) -> None:
    with client.messages.stream(model="one", max_tokens=50, messages=CALL, tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_message()
    assert answer.content[0].input == {"at": "sky"}
    assert answer.stop_reason == "tool_use"
    assert kinds[-1] == "message_stop"


def test_arguments_are_told_as_the_model_writes_them(client: Any) -> None:
    asked = [{"role": "user", "content": "long"}]
    with client.messages.stream(model="one", max_tokens=50, messages=asked, tools=TOOLS) as stream:
        events = [event for event in stream if event.type == "input_json"]
        answer = stream.get_final_message()
    assert [event.partial_json for event in events if event.partial_json] == [
        '{"at":',
        '"one',
        " two",
        " three",
        " four",
        " five",
        ' six"',
        "}",
    ]
    assert all(isinstance(event.snapshot, dict) for event in events)
    (used,) = answer.content
    assert used.input == {"at": "one two three four five six"}
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize(("most", "reason"), [(5, "max_tokens"), (50, "end_turn")])
def test_a_call_that_breaks_off_is_no_call(client: Any, most: int, reason: str) -> None:
    asked = [{"role": "user", "content": "broken"}]
    with client.messages.stream(model="one", max_tokens=most, messages=asked, tools=TOOLS) as stream:
        answer = stream.get_final_message()
    assert [block.type for block in answer.content] == ["tool_use", "text"]
    whole = client.messages.create(model="one", max_tokens=most, messages=asked, tools=TOOLS)
    assert whole.content[0].text == answer.content[1].text
    assert answer.stop_reason == whole.stop_reason == reason


def test_what_an_assistant_began_is_gone_on_with(client: Any, fake: FakeEngine) -> None:
    ask(client, [*HELLO, {"role": "assistant", "content": "I say:"}])
    assert fake.requests[-1].fields["continue_final_message"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thinking", {"type": "enabled", "budget_tokens": 1024}),
        ("container", "x"),
        ("mcp_servers", [{"type": "url", "url": "http://127.0.0.1:9/", "name": "x"}]),
        ("context_management", {}),
        ("output_config", {"effort": "low"}),
        ("service_tier", "priority"),
        ("temperature", 1.5),
        ("stop_sequences", "x"),
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tool_choice", {"type": "tool"}),
        ("tool_choice", {"type": "any"}),
        ("stop_sequences", [""]),
        ("tools", [{"name": "a b", "strict": True, "input_schema": {"type": "object"}}]),
        ("max_tokens", 0),
        (
            "messages",
            [
                {
                    "role": "user",
                    "content": [{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:9/x"}}],
                }
            ],
        ),
        (
            "messages",
            [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "url", "url": "http://127.0.0.1:9/x"}}],
                }
            ],
        ),
        ("messages", [{"role": "system", "content": "a"}]),
        ("messages", []),
        ("no_such", 1),
    ],
)
def test_a_field_that_does_not_fit_is_named(client: Any, field: str, value: Any) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        ask(client, extra_body={field: value})
    assert field in refused.value.body["error"]["message"]
    assert refused.value.body["error"]["type"] == "invalid_request_error"


def test_a_model_that_is_not_served(client: Any) -> None:
    with pytest.raises(anthropic.NotFoundError):
        ask(client, model="claude")


def test_tokens_are_counted_without_generating_any(client: Any, fake: FakeEngine) -> None:
    counted = client.messages.count_tokens(model="one", messages=HELLO, system="be kind", tools=TOOLS)
    assert counted.input_tokens == 4
    assert fake.requests[-1].operation == "render_template"


def test_the_newer_interface_of_the_client(client: Any) -> None:
    answer = client.beta.messages.create(model="one", max_tokens=20, messages=HELLO)
    assert answer.content[0].text == "hello there"
    assert client.beta.messages.count_tokens(model="one", messages=HELLO).input_tokens == 2
    called = client.beta.messages.create(model="one", max_tokens=20, messages=CALL, tools=TOOLS)
    assert called.content[0].input == {"at": "sky"}
