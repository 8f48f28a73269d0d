# ruff: noqa: E402 (clients are imported once it is known that they are there)
"""Models that think, for clients that nobody here wrote: each finds the thoughts where its own interface has them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any, Final

import pytest

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

from served_models import KEY, Served, closing_loops, serve_fake

from ostiary.testing import FakeEngine

CALL = '<think>Let me look.</think>\n\n{"name": "look", "parameters": {"at": "sky"}}'
REPLIES = {
    "ask": "<think>\nWhat is\nwanted?\n</think>\n\nAn answer,\nof course. ",
    "cut": "<think>It goes on and on without any end",
    "call": CALL,
    "plain": "No thought at all.",
    "never": "a</think>b",
}
REASONING, ANSWER = "What is\nwanted?", "An answer,\nof course. "
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"at": {"type": "string"}}}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeEngine]:
    with closing_loops(), FakeEngine(replies=REPLIES, thoughts="think") as engine:
        yield engine


@pytest.fixture(scope="module")
def served(fake: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_fake(tmp_path_factory.mktemp("served"), "one") as door:
        yield door
    assert door.door.failures == []


def say(content: str) -> list[Any]:
    return [{"role": "user", "content": content}]


# --- OpenAI's chat completions ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(
        base_url=served.openai, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        yield made


def read_deltas(client: Any, asked: str, **fields: Any) -> tuple[str, str, list[str]]:
    """Thoughts, text, and in which order they came."""
    thoughts, texts, order = "", "", []
    for chunk in client.chat.completions.create(model="one", messages=say(asked), stream=True, **fields):
        delta = chunk.choices[0].delta
        if thought := getattr(delta, "reasoning", None):
            thoughts += thought
            order.append("thought")
        if delta.content:
            texts += delta.content
            order.append("text")
    return thoughts, texts, order


def test_a_chat(client: Any) -> None:
    message = client.chat.completions.create(model="one", messages=say("ask")).choices[0].message
    assert (message.reasoning, message.content) == (REASONING, ANSWER)
    thoughts, texts, order = read_deltas(client, "ask")
    assert (thoughts, texts) == (REASONING, ANSWER)
    assert order == sorted(order, reverse=True)  # thoughts first
    assert len(order) > 4  # as they came


def test_without_thoughts_nothing_is_said_of_them(client: Any) -> None:
    for asked, text in (("plain", REPLIES["plain"]), ("never", REPLIES["never"])):
        message = client.chat.completions.create(model="one", messages=say(asked)).choices[0].message
        assert not hasattr(message, "reasoning")
        assert message.content == text
        assert read_deltas(client, asked)[:2] == ("", text)


def test_a_thought_that_is_cut(client: Any) -> None:
    choice = client.chat.completions.create(model="one", messages=say("cut"), max_tokens=3).choices[0]
    assert (choice.message.reasoning, choice.message.content) == ("It goes on", "")
    assert choice.finish_reason == "length"
    assert read_deltas(client, "cut", max_tokens=3)[:2] == ("It goes on", "")


def test_a_stop_text_within_a_thought_ends_the_answer(client: Any) -> None:
    choice = client.chat.completions.create(model="one", messages=say("cut"), stop=[" and"]).choices[0]
    assert (choice.message.reasoning, choice.message.content, choice.finish_reason) == ("It goes on", "", "stop")


def test_a_call_after_a_thought(client: Any, fake: FakeEngine) -> None:
    asked = {"model": "one", "messages": say("call"), "tools": [TOOL]}
    choice = client.chat.completions.create(**asked).choices[0]
    (made,) = choice.message.tool_calls
    assert (choice.message.reasoning, choice.message.content) == ("Let me look.", None)
    assert (made.function.arguments, choice.finish_reason) == ('{"at":"sky"}', "tool_calls")
    with client.chat.completions.stream(**asked) as stream:
        last = stream.get_final_completion().choices[0]
    assert last.message.tool_calls[0].function.arguments == '{"at":"sky"}'
    back = [
        *say("call"),
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": made.id, "content": "x"},
    ]
    client.chat.completions.create(model="one", messages=back, tools=[TOOL])
    told: Any = fake.requests[-1].fields["messages"]
    assert told[1]["reasoning_content"] == "Let me look."


def test_each_of_several_answers_has_its_own_thoughts(client: Any) -> None:
    answer = client.chat.completions.create(model="one", messages=say("ask"), n=2, logprobs=True)
    assert [choice.message.reasoning for choice in answer.choices] == [REASONING] * 2
    assert len(answer.choices[0].logprobs.content) == 10  # of thoughts as well
    heard = ["", ""]
    for chunk in client.chat.completions.create(model="one", messages=say("ask"), n=2, stream=True, logprobs=True):
        choice = chunk.choices[0]
        heard[choice.index] += getattr(choice.delta, "reasoning", None) or ""
    assert heard == [REASONING] * 2


def test_both_names_of_a_thought_are_taken_back(client: Any, fake: FakeEngine, served: Served) -> None:
    for name in ("reasoning", "reasoning_content"):
        back = [{"role": "assistant", "content": "a", name: "b"}, *say("plain")]
        client.chat.completions.create(model="one", messages=back)
        told: Any = fake.requests[-1].fields["messages"]
        assert told[0] == {"role": "assistant", "content": "a", "reasoning_content": "b"}
    both = [{"role": "assistant", "content": "a", "reasoning": "b", "reasoning_content": "c"}, *say("plain")]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="one", messages=both)
    assert refused.value.body["param"] == "messages"


# --- OpenAI's responses -----------------------------------------------------------------------------------------------


def test_a_response(client: Any) -> None:
    answer = client.responses.create(model="one", input="ask")
    thought, message = answer.output
    assert (thought.type, thought.summary, thought.status) == ("reasoning", [], "completed")
    assert [(part.type, part.text) for part in thought.content] == [("reasoning_text", REASONING)]
    assert message.type == "message"
    assert answer.output_text == ANSWER


def test_a_response_in_a_stream(client: Any) -> None:
    with client.responses.stream(model="one", input="ask") as stream:
        events = list(stream)
        answer = stream.get_final_response()
    kinds = [event.type for event in events if not event.type.endswith(".delta")]
    assert kinds == [
        "response.created",
        "response.in_progress",
        *("response.output_item.added", "response.content_part.added", "response.reasoning_text.done"),
        *("response.content_part.done", "response.output_item.done"),
        *("response.output_item.added", "response.content_part.added", "response.output_text.done"),
        *("response.content_part.done", "response.output_item.done"),
        "response.completed",
    ]
    deltas = [event for event in events if event.type == "response.reasoning_text.delta"]
    assert "".join(event.delta for event in deltas) == REASONING
    assert {(event.item_id, event.output_index, event.content_index) for event in deltas} == {
        (answer.output[0].id, 0, 0)
    }
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].content[0].text == REASONING


def test_a_response_that_is_cut_within_a_thought(client: Any) -> None:
    answer = client.responses.create(model="one", input="cut", max_output_tokens=3)
    (thought,) = answer.output
    assert (thought.type, thought.status, thought.content[0].text) == ("reasoning", "incomplete", "It goes on")
    assert (answer.status, answer.output_text) == ("incomplete", "")
    with client.responses.stream(model="one", input="cut", max_output_tokens=3) as stream:
        last = list(stream)[-1]
    assert (last.type, [item.type for item in last.response.output]) == ("response.incomplete", ["reasoning"])


def test_items_go_back_as_they_came(client: Any, fake: FakeEngine) -> None:
    tool = {"type": "function", "name": "look", "strict": False, "parameters": SCHEMA}
    answer = client.responses.create(model="one", input="call", tools=[tool])
    thought, made = answer.output
    assert (thought.type, made.type, made.arguments) == ("reasoning", "function_call", '{"at":"sky"}')
    back = [
        {"role": "user", "content": "call"},
        *(item.model_dump(exclude_none=True) for item in answer.output),
        {"type": "function_call_output", "call_id": made.call_id, "output": "plain"},
    ]
    said = client.responses.create(model="one", input=back, tools=[tool])
    told: Any = fake.requests[-1].fields["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "tool"]
    assert told[1]["reasoning_content"] == "Let me look."
    assert told[1]["tool_calls"][0]["function"]["name"] == "look"
    more = [
        *back,
        *(item.model_dump(exclude_none=True) for item in said.output),
        {"role": "user", "content": "plain"},
    ]
    client.responses.create(model="one", input=more)
    told = fake.requests[-1].fields["messages"]
    assert told[3] == {"role": "assistant", "content": REPLIES["plain"]}


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "content": "a"},
        {"type": "reasoning"},
        {"type": "reasoning", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "message", "role": "user", "content": [{"type": "reasoning_text", "text": "a"}]},
        {"type": "reasoning", "role": "user", "content": [{"type": "reasoning_text", "text": "a"}]},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a"}], "encrypted_content": "x"},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a"}], "summary": ["x"]},
    ],
)
def test_an_item_that_is_no_thought_is_refused(client: Any, item: Any) -> None:
    with pytest.raises(openai.APIStatusError, match="input"):
        client.responses.create(model="one", input=[item, {"role": "user", "content": "plain"}])


def test_thoughts_without_an_answer_go_back_too(client: Any, fake: FakeEngine) -> None:
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "a"}]}
    client.responses.create(model="one", input=[thought, thought, {"role": "user", "content": "plain"}])
    told: Any = fake.requests[-1].fields["messages"]
    assert told[0] == {"role": "assistant", "content": "", "reasoning_content": "a\n\na"}


# --- Anthropic's messages ---------------------------------------------------------------------------------------------

THINKING: Final[Any] = {"type": "adaptive"}


@pytest.fixture(scope="module")
def claude(served: Served) -> Iterator[Any]:
    with anthropic.Anthropic(
        base_url=served.url, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        yield made


def test_a_message(claude: Any) -> None:
    answer = claude.messages.create(model="one", max_tokens=50, messages=say("ask"), thinking=THINKING)
    thought, text = answer.content
    assert (thought.type, thought.thinking, thought.signature) == ("thinking", REASONING, "")
    assert text.text == ANSWER
    cut = claude.messages.create(model="one", max_tokens=3, messages=say("cut"), thinking=THINKING)
    assert ([block.type for block in cut.content], cut.stop_reason) == (["thinking"], "max_tokens")


@pytest.mark.parametrize("asked", [{}, {"thinking": {"type": "disabled"}}])
def test_a_message_of_who_asked_for_no_thoughts(claude: Any, asked: Any) -> None:
    answer = claude.messages.create(model="one", max_tokens=50, messages=say("ask"), **asked)
    assert [block.text for block in answer.content] == [ANSWER]
    with claude.messages.stream(model="one", max_tokens=50, messages=say("ask"), **asked) as stream:
        assert [block.text for block in stream.get_final_message().content] == [ANSWER]
    cut = claude.messages.create(model="one", max_tokens=3, messages=say("cut"), **asked)
    assert ([block.text for block in cut.content], cut.stop_reason) == ([""], "max_tokens")
    assert cut.usage.output_tokens == 3


def test_a_message_in_a_stream(claude: Any) -> None:
    with claude.messages.stream(model="one", max_tokens=50, messages=say("ask"), thinking=THINKING) as stream:
        events = list(stream)
        answer = stream.get_final_message()
    assert [(block.type) for block in answer.content] == ["thinking", "text"]
    assert (answer.content[0].thinking, answer.content[1].text) == (REASONING, ANSWER)
    raw = [event for event in events if event.type.startswith("content_block_")]
    indexes = [event.index for event in raw]
    assert indexes == sorted(indexes)
    assert [event.type for event in raw if event.type != "content_block_delta"] == [
        "content_block_start",
        "content_block_stop",
    ] * 2
    assert "".join(event.thinking for event in events if event.type == "thinking") == REASONING


def test_blocks_go_back_as_they_came(claude: Any, fake: FakeEngine) -> None:
    tool: Any = {"name": "look", "input_schema": SCHEMA}
    answer = claude.messages.create(
        model="one", max_tokens=50, messages=say("call"), tools=[tool], thinking=THINKING
    )
    thought, used = answer.content
    assert (thought.type, used.type, answer.stop_reason) == ("thinking", "tool_use", "tool_use")
    result = {"type": "tool_result", "tool_use_id": used.id, "content": "plain"}
    back = [*say("call"), {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    claude.messages.create(model="one", max_tokens=50, messages=back, tools=[tool])
    told: Any = fake.requests[-1].fields["messages"]
    assert told[1]["reasoning_content"] == "Let me look."
    theirs: Any = [{"role": "user", "content": [{"type": "thinking", "thinking": "a", "signature": ""}]}]
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="one", max_tokens=5, messages=theirs)


# --- LangChain and LiteLLM --------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_langchain(served: Served) -> None:
    langchain = pytest.importorskip("langchain_openai")
    chat = langchain.ChatOpenAI(model="one", base_url=served.openai, api_key=KEY, max_retries=0)
    assert chat.invoke("ask").content == ANSWER
    assert "".join(chunk.content for chunk in chat.stream("ask")) == ANSWER


@pytest.mark.filterwarnings("ignore")
def test_litellm(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litellm = pytest.importorskip("litellm")
    asked: Any = {"api_key": KEY, "messages": say("ask"), "max_tokens": 50}
    bases = {
        "openai/one": (served.openai, REASONING),
        "anthropic/one": (served.url, ""),
    }  # it does not ask for them
    for model, (base, reasoning) in bases.items():
        message = litellm.completion(model=model, api_base=base, **asked).choices[0].message
        assert (message.content, getattr(message, "reasoning_content", None) or "") == (ANSWER, reasoning)
        thoughts = texts = ""
        for chunk in litellm.completion(model=model, api_base=base, stream=True, **asked):
            delta = chunk.choices[0].delta
            thoughts += getattr(delta, "reasoning_content", None) or ""
            texts += delta.content or ""
        assert (thoughts, texts) == (reasoning, ANSWER)


# --- what is not told -------------------------------------------------------------------------------------------------


def test_completions_are_as_the_model_wrote_them(client: Any) -> None:
    assert client.completions.create(model="one", prompt="ask", max_tokens=50).choices[0].text == REPLIES["ask"]


def test_nothing_of_a_thought_is_in_the_record(served: Served, client: Any) -> None:
    client.chat.completions.create(model="one", messages=say("ask"))
    told = json.dumps([str(event) for event in served.door.events])
    assert "wanted" not in told


# --- channels ---------------------------------------------------------------------------------------------------------

_THINKS = "<|channel|>analysis<|message|>I look around.<|end|><|start|>assistant"
IN_CHANNELS = {
    "ask": f"{_THINKS}<|channel|>final<|message|>Here it is.",
    "call": f"{_THINKS}<|channel|>commentary<|message|>Wait.<|end|><|start|>assistant<|channel|>commentary "
    'to=functions.look <|constrain|>json<|message|>{"at": "sky"}',
}


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with (
        FakeEngine(replies=IN_CHANNELS, thoughts="harmony"),
        serve_fake(tmp_path_factory.mktemp("channels"), "one") as door,
    ):
        yield door
    assert door.door.failures == []


def test_channels_in_each_interface(channels: Served) -> None:
    with openai.OpenAI(
        base_url=channels.openai, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        message = made.chat.completions.create(model="one", messages=say("ask")).choices[0].message
        assert (message.reasoning, message.content) == ("I look around.", "Here it is.")
        assert read_deltas(made, "ask")[:2] == ("I look around.", "Here it is.")
        choice = made.chat.completions.create(model="one", messages=say("call"), tools=[TOOL]).choices[0]
        assert (choice.message.reasoning, choice.message.content) == ("I look around.", "Wait.")
        assert choice.message.tool_calls[0].function.arguments == '{"at":"sky"}'
        assert choice.finish_reason == "tool_calls"
        with made.responses.stream(model="one", input="ask") as stream:
            answer = stream.until_done().get_final_response()
        assert [item.type for item in answer.output] == ["reasoning", "message"]
        assert answer.output_text == "Here it is."
    with anthropic.Anthropic(
        base_url=channels.url, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True
    ) as made:
        tool: Any = {"name": "look", "input_schema": SCHEMA}
        asked: Any = {"messages": say("call"), "tools": [tool], "thinking": THINKING}
        with made.messages.stream(model="one", max_tokens=50, **asked) as stream:
            blocks = stream.get_final_message().content
        assert [block.type for block in blocks] == ["thinking", "text", "tool_use"]
        assert blocks[2].input == {"at": "sky"}
