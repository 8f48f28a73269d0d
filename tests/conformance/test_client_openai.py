# ruff: noqa: E402 (the client is imported once it is known that it is there)
"""OpenAI's own client, which validates every answer strictly, against the real door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

openai = pytest.importorskip("openai")

from pydantic import BaseModel
from served_models import KEY, Served, serve_fake

from ostiary.gateway.long_work import LongWork
from ostiary.gateway.openai import embeddings
from ostiary.testing import FakeEngine

HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
CALL: list[Any] = [{"role": "user", "content": "call"}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
    }
]
REPLIES = {
    "call": '{"name": "look", "parameters": {"at": "sky"}}',
    "long": '{"name": "look", "parameters": {"at": "one two three four five six"}}',
    "broken": '{"name": "look", "parameters": {"at": "one two"} and no more',
    "person": '{"name": "Ann", "age": 7}',
    "weird": "a\n\ndata: [DONE]\n\nevent: x \u2028 \u0085 \"'\\",
}


PIECES = ['{"at":', '"one', " two", " three", " four", " five", ' six"', "}"]
"""Of the arguments of "long", as a model that says word after word writes them."""


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeEngine]:
    with FakeEngine(replies=REPLIES) as engine:
        yield engine


@pytest.fixture(scope="module")
def served(fake: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_fake(tmp_path_factory.mktemp("served"), "one", "two") as door:
        yield door
    assert door.door.failures == []


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(
        base_url=served.openai, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        yield made


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["one", "two"]
    assert client.models.retrieve("two").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("/etc")


def test_a_chat(client: Any) -> None:
    answer = client.chat.completions.create(model="one", messages=HELLO, seed=-5)
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "hello there",
        "stop",
    )
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 2, 4)
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "one"


def test_length_stops_choices_and_log_probabilities(client: Any) -> None:
    answer = client.chat.completions.create(
        model="one", messages=HELLO, max_completion_tokens=1, n=2, logprobs=True, top_logprobs=1
    )
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    (token,) = answer.choices[1].logprobs.content
    assert (token.token, bytes(token.bytes), len(token.top_logprobs)) == ("hello", b"hello", 1)
    stopped = client.chat.completions.create(model="one", messages=HELLO, stop=[" there"])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("hello", "stop")


def test_a_stream(client: Any) -> None:
    chunks = list(
        client.chat.completions.create(
            model="one", messages=HELLO, stream=True, n=2, logprobs=True, stream_options={"include_usage": True}
        )
    )
    said = ["", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == ["hello there"] * 2
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [
        "stop",
        "stop",
    ]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].usage.completion_tokens == 4


def test_a_text_cannot_begin_an_event(client: Any) -> None:
    ask: list[Any] = [{"role": "user", "content": "weird"}]
    stream = client.chat.completions.create(model="one", messages=ask, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == REPLIES["weird"]


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "look"}}])
def test_a_tool_is_called(client: Any, choice: Any) -> None:
    answer = client.chat.completions.create(model="one", messages=CALL, tools=TOOLS, tool_choice=choice)
    (made,) = answer.choices[0].message.tool_calls
    assert (made.function.name, json.loads(made.function.arguments)) == ("look", {"at": "sky"})
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    back = [*CALL, answer.choices[0].message, {"role": "tool", "tool_call_id": made.id, "content": "blue"}]
    assert (
        client.chat.completions.create(model="one", messages=back, tools=TOOLS).choices[0].message.content == "blue"
    )


def test_a_tool_is_called_in_a_stream(client: Any) -> None:
    with client.chat.completions.stream(model="one", messages=CALL, tools=TOOLS) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_completion()
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"at":"sky"}'
    assert answer.choices[0].finish_reason == "tool_calls"


def test_arguments_are_told_as_the_model_writes_them(client: Any) -> None:
    deltas = []
    with client.chat.completions.stream(
        model="one", messages=[{"role": "user", "content": "long"}], tools=TOOLS
    ) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                deltas.append(event.arguments_delta)
            elif event.type == "tool_calls.function.arguments.done":
                assert json.loads(event.arguments) == {"at": "one two three four five six"}
        answer = stream.get_final_completion()
    assert [delta for delta in deltas if delta] == PIECES
    made = answer.choices[0].message.tool_calls[0]
    assert made.function.arguments == "".join(deltas)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert made.id.startswith("call_")


@pytest.mark.parametrize(("asked", "finish"), [({"max_tokens": 5}, "length"), ({}, "stop")])
def test_a_call_that_breaks_off_is_no_call(client: Any, asked: Any, finish: str) -> None:
    """What came of its arguments is no JSON, so nobody can act on it, and the end says that no tool is called."""
    body = {"model": "one", "messages": [{"role": "user", "content": "broken"}], "tools": TOOLS, **asked}
    chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**body, stream=True)]
    calls = [call.function.arguments for chunk in chunks for call in chunk.delta.tool_calls or []]
    with pytest.raises(json.JSONDecodeError):
        json.loads("".join(calls))
    whole = client.chat.completions.create(**body).choices[0]
    assert whole.message.tool_calls is None
    assert "".join(chunk.delta.content or "" for chunk in chunks) == whole.message.content
    assert chunks[-1].finish_reason == whole.finish_reason == finish


def test_no_tool_is_called_where_none_is_wanted(client: Any) -> None:
    answer = client.chat.completions.create(model="one", messages=CALL, tools=TOOLS, tool_choice="none")
    assert answer.choices[0].message.content == REPLIES["call"]
    assert answer.choices[0].message.tool_calls is None


def test_a_form(client: Any, fake: FakeEngine) -> None:
    class Person(BaseModel):
        name: str
        age: int

    ask: list[Any] = [{"role": "user", "content": "person"}]
    answer = client.chat.completions.parse(model="one", messages=ask, response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Ann", age=7)
    form = fake.requests[-1].fields["response_format"]
    assert isinstance(form, dict)
    assert form["schema"]["required"] == ["name", "age"]


def test_completions(client: Any) -> None:
    answer = client.completions.create(model="one", prompt="a b c", max_tokens=2, logprobs=1)
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == ("a b", "length")
    assert choice.logprobs.tokens == ["a", " b"]
    assert choice.logprobs.text_offset == [0, 1]
    assert client.completions.create(model="one", prompt=["x"]).choices[0].text == "x"
    assert client.completions.create(model="one", prompt=[5, 6]).usage.prompt_tokens == 2


def test_completions_in_a_stream(served: Served) -> None:
    """Their type has no null as the reason of an end that did not come yet, though OpenAI's own server sends it."""
    with openai.OpenAI(base_url=served.openai, api_key=KEY, max_retries=0) as lenient:
        options = {"include_usage": True}
        chunks = list(lenient.completions.create(model="one", prompt="a b c", stream=True, stream_options=options))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "a b c"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.total_tokens == 6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("suffix", "x"),
        ("echo", True),
        ("best_of", 3),
        ("temperature", 2.5),
        ("top_k", -1),
        ("n", 17),
        ("stop", [1]),
        ("logprobs", 21),
        ("prompt", []),
        ("prompt", ["a", "b"]),
        ("prompt", [1, "a"]),
        ("no_such", 1),
        ("stream_options", {"include_usage": True}),
    ],
)
def test_a_field_of_completions_that_does_not_fit_is_named(client: Any, field: str, value: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="one", prompt="a", extra_body={field: value})
    assert refused.value.param.split("[")[0] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reasoning_effort", "low"),
        ("audio", {"voice": "x", "format": "wav"}),
        ("modalities", ["audio"]),
        ("web_search_options", {}),
        ("functions", [{"name": "f"}]),
        ("function_call", "auto"),
        ("prediction", {"type": "content", "content": ""}),
        ("store", True),
        ("service_tier", "priority"),
        ("prompt_cache_key", 1),
        ("response_format", {"type": "text", "json_schema": {"name": "x", "schema": {}}}),
        ("response_format", {"type": "json_object", "json_schema": {"name": "x", "schema": {}}}),
        ("verbosity", "low"),
        ("top_logprobs", 2),
        ("max_completion_tokens", 0),
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}),
        ("tools", [{"type": "web_search"}]),
        ("tool_choice", "required"),
        (
            "messages",
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}]}],
        ),
        (
            "messages",
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}],
        ),
        ("messages", [{"role": "robot", "content": "a"}]),
        ("messages", []),
        ("draft_model", "x"),
        ("adapters", "x"),
        ("chat_template", "{{ 1 }}"),
    ],
)
def test_a_field_of_chats_that_does_not_fit_is_named(client: Any, field: str, value: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="one", messages=HELLO, extra_body={field: value})
    assert refused.value.param.split("[")[0].split(".")[0] == field


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"max_completion_tokens": 100_000}, "max_completion_tokens"),
        ({"max_tokens": 100_000}, "max_tokens"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"if": {}}}}},
            "response_format.json_schema.schema.if",
        ),
        ({"chat_template_kwargs": {"a": "\U0010e000"}}, "chat_template_kwargs"),
    ],
)
def test_fields_are_named_as_the_client_knows_them(client: Any, sent: Any, named: str, is_stream: bool) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="one", messages=HELLO, extra_body=sent, stream=is_stream)
    assert refused.value.param == named
    assert f"({named} " in refused.value.body["message"]


def test_a_model_that_is_not_served_and_none_where_there_are_two(client: Any) -> None:
    for name in ("three", "/etc", "mlx-community/x", "../one"):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=HELLO)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="one", messages=HELLO, extra_body={"model": None})
    assert refused.value.param == "model"


def test_embeddings(client: Any) -> None:
    answer = client.embeddings.create(model="one", input=["a b", "b a", "c"], encoding_format="float")
    first, second, third = (item.embedding for item in answer.data)
    assert first == second != third
    assert sum(number * number for number in first) == pytest.approx(1)
    assert answer.usage.prompt_tokens == 5
    cut = client.embeddings.create(model="one", input=[1, 2], dimensions=4, encoding_format="float")
    assert len(cut.data[0].embedding) == 4


def test_many_numbers_of_embeddings_are_written_beside_the_loop(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million take a third of a second, in which nobody else would hear anything."""
    ask = {"model": "one", "input": ["a b", "c"], "encoding_format": "float"}
    short = client.embeddings.create(**ask).data
    asked = []
    do = LongWork.do

    def note(self: LongWork, tenant: str, act: Any) -> Any:
        asked.append(act)
        return do(self, tenant, act)

    monkeypatch.setattr(LongWork, "do", note)
    client.embeddings.create(**ask)
    assert asked == []
    monkeypatch.setattr(embeddings, "SHORT_BYTES", 1)
    assert client.embeddings.create(**ask).data == short
    assert len(asked) == 1
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(**ask, dimensions=60_000)
    assert refused.value.param == "dimensions"


def test_embeddings_in_base64(client: Any, served: Served) -> None:
    """As the client asks by itself; it validates before it decodes, so that strictness does not take it."""
    plain = client.embeddings.create(model="one", input="a b", encoding_format="float").data[0].embedding
    with openai.OpenAI(base_url=served.openai, api_key=KEY, max_retries=0) as lenient:
        assert lenient.embeddings.create(model="one", input="a b").data[0].embedding == pytest.approx(plain)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dimensions", 17),
        ("dimensions", 0),
        ("encoding_format", "int8"),
        ("input", []),
        ("input", [""] * 2_049),
        ("input", [1, "a"]),
        ("input", {"text": "a"}),
        ("pooling", "cls"),
        ("truncate", True),
    ],
)
def test_a_field_of_embeddings_that_does_not_fit_is_named(client: Any, field: str, value: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="one", input="a", extra_body={field: value})
    assert refused.value.param.split("[")[0] == field
