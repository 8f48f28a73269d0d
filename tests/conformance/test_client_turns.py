"""What clients make of an answer and send back with the next question: the usual turn of every program that has tools.

Each client notes things of its own in what it sends back. What says nothing to a model is taken and left out; what a
model would have to be told is refused where it cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from served_models import KEY, Served, closing_loops, serve_fake

from ostiary.testing import FakeEngine

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")
pydantic = pytest.importorskip("pydantic")

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
RESPONSES_TOOL = {"type": "function", "name": "look", "parameters": SCHEMA, "strict": False}
MESSAGES_TOOL = {"name": "look", "input_schema": SCHEMA}
REPLIES = {"look": '{"name": "look", "parameters": {"at": "sky"}}', "person": '{"name": "Ann", "age": 7}'}
ASKED = {"role": "user", "content": "look"}
CALLED = {"name": "look", "arguments": '{"at":"sky"}'}


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeEngine]:
    with FakeEngine(replies=REPLIES) as engine:
        yield engine


@pytest.fixture(scope="module")
def served(fake: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with closing_loops(), serve_fake(tmp_path_factory.mktemp("served"), "one") as door:
        yield door
    assert door.door.failures == []


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    return openai.OpenAI(base_url=served.openai, api_key=KEY, max_retries=0)


@pytest.fixture(scope="module")
def claude(served: Served) -> Any:
    return anthropic.Anthropic(base_url=served.url, api_key=KEY, max_retries=0)


def told(fake: FakeEngine) -> list[Any]:
    """The messages that the engine was asked with last."""
    messages = fake.requests[-1].fields["messages"]
    assert isinstance(messages, list)
    return messages


def assert_called(message: Any) -> None:
    """Nothing but the call itself came through."""
    (call,) = message["tool_calls"]
    assert call == {"id": call["id"], "type": "function", "function": CALLED}
    assert set(message) <= {"role", "content", "tool_calls"}


def test_a_streamed_call_of_openai(client: Any, fake: FakeEngine) -> None:
    with client.chat.completions.stream(model="one", messages=[ASKED], tools=[TOOL]) as stream:
        made = stream.get_final_completion().choices[0].message
    came = {"role": "tool", "tool_call_id": made.tool_calls[0].id, "content": "blue"}
    for sent in (made, made.model_dump(), made.to_dict()):
        back = client.chat.completions.create(model="one", messages=[ASKED, sent, came], tools=[TOOL])
        assert back.choices[0].message.content == "blue"
        assert_called(told(fake)[1])


def test_a_call_added_up_by_hand(client: Any, fake: FakeEngine) -> None:
    calls: dict[int, Any] = {}
    for chunk in client.chat.completions.create(model="one", messages=[ASKED], tools=[TOOL], stream=True):
        for part in chunk.choices[0].delta.tool_calls or ():
            if part.index in calls:
                calls[part.index].function.arguments += part.function.arguments
            else:
                calls[part.index] = part
    sent = {"role": "assistant", "content": None, "tool_calls": [*calls.values()]}
    came = {"role": "tool", "tool_call_id": calls[0].id, "content": [{"type": "text", "text": "blue"}]}
    back = client.chat.completions.create(model="one", messages=[ASKED, sent, came], tools=[TOOL])
    assert back.choices[0].message.content == "blue"
    assert_called(told(fake)[1])


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
def test_a_parsed_answer_of_openai(client: Any, fake: FakeEngine) -> None:
    asked = {"role": "user", "content": "person"}
    made = client.chat.completions.parse(model="one", messages=[asked], response_format=Person).choices[0].message
    assert made.parsed == Person(name="Ann", age=7)
    next_question = {"role": "user", "content": "thanks"}
    for sent in (made, made.model_dump()):
        client.chat.completions.create(model="one", messages=[asked, sent, next_question])
        assert told(fake)[1] == {"role": "assistant", "content": REPLIES["person"]}


def test_items_of_responses(client: Any, fake: FakeEngine) -> None:
    first = client.responses.create(model="one", input=[ASKED], tools=[RESPONSES_TOOL])
    came = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "blue"}
    second = client.responses.parse(model="one", input=[ASKED, *first.output, came], tools=[RESPONSES_TOOL])
    assert second.output_text == "blue"
    for items in ([*first.output, came, *second.output], [*_dump(first), came, *_dump(second)]):
        again = client.responses.create(
            model="one", input=[ASKED, *items, {"role": "user", "content": "bye"}], tools=[RESPONSES_TOOL]
        )
        assert again.output_text == "bye"
        assert_called(told(fake)[1])
        assert told(fake)[3] == {"role": "assistant", "content": "blue"}


def _dump(response: Any) -> list[Any]:
    return [item.model_dump() for item in response.output]


def test_responses_as_programs_for_code_ask(client: Any, fake: FakeEngine) -> None:
    """They wish for a cache in each question, and include nothing more where the model does not think."""
    answer = client.responses.create(
        model="one",
        instructions="be brief",
        input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        tools=[RESPONSES_TOOL],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning=None,
        store=False,
        stream=False,
        include=[],
        prompt_cache_key="019a-of-this-conversation",
    )
    assert answer.output_text == "hi"
    chat = client.chat.completions.create(model="one", messages=[ASKED], prompt_cache_key="of-this")
    assert "prompt_cache_key" not in fake.requests[-1].fields
    assert chat.choices


def test_blocks_of_anthropic(claude: Any, fake: FakeEngine) -> None:
    ask = {"model": "one", "max_tokens": 40, "tools": [MESSAGES_TOOL], "cache_control": {"type": "ephemeral"}}
    whole = claude.messages.create(**ask, messages=[ASKED])
    with claude.messages.stream(**ask, messages=[ASKED]) as stream:
        streamed = stream.get_final_message()
    for made in (whole, streamed):
        came = {"type": "tool_result", "tool_use_id": made.content[0].id, "content": "blue"}
        for sent in (made.content, [block.model_dump() for block in made.content]):
            turns = [ASKED, {"role": "assistant", "content": sent}, {"role": "user", "content": [came]}]
            assert claude.messages.create(**ask, messages=turns).content[0].text == "blue"
            assert told(fake)[1]["tool_calls"][0]["function"]["name"] == "look"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["openai", "hosted_vllm", "anthropic"])
def test_messages_of_litellm(way: str, served: Served, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm", exc_type=ImportError)
    base = served.url if way == "anthropic" else served.openai
    ask = {"model": f"{way}/one", "api_base": base, "api_key": KEY, "max_tokens": 40, "tools": [TOOL]}
    made = litellm.completion(**ask, messages=[ASKED]).choices[0].message
    came = {"role": "tool", "tool_call_id": made.tool_calls[0].id, "name": "look", "content": "blue"}
    back = litellm.completion(**ask, messages=[ASKED, made, came])
    assert back.choices[0].message.content == "blue"
    assert told(fake)[1]["tool_calls"][0]["function"]["name"] == "look"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": "a", "tool_call_id": "x"}, "tool_call_id"),
        ({"role": "user", "content": "a", "reasoning_content": "x"}, "reasoning_content"),
        ({"role": "system", "content": "a", "tool_calls": [{"id": "x", "function": CALLED}]}, "tool_calls"),
        ({"role": "assistant", "content": "a", "provider_specific_fields": {"x": 1}}, "provider_specific_fields"),
        ({"role": "assistant", "content": "a", "annotations": [{"type": "url_citation"}]}, "annotations"),
    ],
)
def test_what_no_template_looks_for_is_refused_by_its_name(client: Any, message: Any, field: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="one", messages=[message])
    assert refused.value.param.split("[...]")[0] == f"messages[0].{field}"


USE = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "blue"}
WORDS = {"type": "text", "text": "so"}


@pytest.mark.parametrize(
    ("turns", "field"),
    [
        ([ASKED, {"role": "user", "content": [WORDS, RESULT]}], "messages[1].content[1]"),
        ([ASKED, {"role": "user", "content": [USE]}], "messages[1].content[0]"),
        ([ASKED, {"role": "assistant", "content": [WORDS, RESULT]}], "messages[1].content[1]"),
        ([ASKED, {"role": "assistant", "content": [USE, WORDS]}], "messages[1].content[1]"),
    ],
)
def test_a_block_that_could_not_stay_in_its_place_is_refused(claude: Any, turns: Any, field: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(model="one", max_tokens=9, messages=turns)
    assert field in refused.value.message


def test_both_names_of_one_limit(client: Any, fake: FakeEngine) -> None:
    """Some programs send both, for servers old and new."""
    both = {"model": "one", "messages": [ASKED], "max_tokens": 7}
    client.chat.completions.create(**both, max_completion_tokens=7)
    assert fake.requests[-1].fields["max_tokens"] == 7
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**both, max_completion_tokens=8)
    assert refused.value.param == "max_completion_tokens"


def test_tools_as_programs_for_code_send_them(claude: Any) -> None:
    tool = {**MESSAGES_TOOL, "eager_input_streaming": True, "defer_loading": False, "type": "custom"}
    claude.messages.create(model="one", max_tokens=40, messages=[ASKED], tools=[tool])
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="one", max_tokens=9, messages=[ASKED], tools=[{**tool, "defer_loading": True}])
