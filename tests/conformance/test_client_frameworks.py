"""LangChain and LiteLLM, as applications use them, against the real door."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from served_models import KEY, Served, closing_loops, serve_fake

from ostiary.testing import FakeEngine

TOOL = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}
REPLIES = {"call": '{"name": "look", "parameters": {"at": "sky"}}', "person": '{"name": "Ann", "age": 7}'}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with closing_loops(), FakeEngine(replies=REPLIES), serve_fake(tmp_path_factory.mktemp("served"), "one") as door:
        yield door
    assert door.door.failures == []


@pytest.fixture(scope="module")
def chat(served: Served) -> Any:
    langchain = pytest.importorskip("langchain_openai")
    return langchain.ChatOpenAI(
        model="one", base_url=served.openai, api_key=KEY, max_retries=0, temperature=0, seed=1, stream_usage=True
    )


@pytest.mark.filterwarnings("ignore")
def test_langchain(chat: Any) -> None:
    answer = chat.invoke("hello there")
    assert answer.content == "hello there"
    assert answer.usage_metadata["total_tokens"] == 4
    assert "".join(chunk.content for chunk in chat.stream("hello there")) == "hello there"
    assert [made.content for made in chat.batch(["a", "b"])] == ["a", "b"]


@pytest.mark.filterwarnings("ignore")
def test_langchain_calls_tools(chat: Any) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage

    bound = chat.bind_tools([TOOL])
    asked = HumanMessage("call")
    answer = bound.invoke([asked])
    (made,) = answer.tool_calls
    assert (made["name"], made["args"]) == ("look", {"at": "sky"})
    back = bound.invoke([asked, answer, ToolMessage("blue", tool_call_id=made["id"])])
    assert back.content == "blue"
    streamed = None
    for chunk in bound.stream([asked]):
        streamed = chunk if streamed is None else streamed + chunk
    assert streamed is not None
    assert streamed.tool_calls[0]["args"] == {"at": "sky"}


@pytest.mark.filterwarnings("ignore")
def test_langchain_asks_for_a_form(chat: Any) -> None:
    from pydantic import BaseModel

    class Person(BaseModel):
        name: str
        age: int

    assert chat.with_structured_output(Person, method="json_schema").invoke("person") == Person(name="Ann", age=7)
    assert chat.with_structured_output(Person, method="json_mode").invoke("person") == Person(name="Ann", age=7)


@pytest.mark.filterwarnings("ignore")
def test_langchain_embeds_many_at_once(served: Served) -> None:
    from langchain_openai import OpenAIEmbeddings

    embeddings = OpenAIEmbeddings(
        model="one",
        base_url=served.openai,
        api_key=KEY,  # type: ignore[arg-type]
        max_retries=0,
        check_embedding_ctx_length=False,
    )
    vectors = embeddings.embed_documents(["a b", *["c"] * 300])
    assert len(vectors) == 301
    assert vectors[0] == embeddings.embed_query("a b")
    assert vectors[0] != vectors[1]


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("litellm", exc_type=ImportError)
    found.telemetry = False
    found.num_retries = 0
    return found


@pytest.mark.filterwarnings("ignore")
def test_litellm_by_openai(litellm: Any, served: Served) -> None:
    place = {"model": "openai/one", "api_base": served.openai, "api_key": KEY}
    ask = [{"role": "user", "content": "hello there"}]
    answer = litellm.completion(**place, messages=ask, temperature=0)
    assert answer.choices[0].message.content == "hello there"
    assert answer.usage.total_tokens == 4
    stream = litellm.completion(**place, messages=ask, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "hello there"
    called = litellm.completion(**place, messages=[{"role": "user", "content": "call"}], tools=[TOOL])
    (made,) = called.choices[0].message.tool_calls
    assert json.loads(made.function.arguments) == {"at": "sky"}
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(**{**place, "model": "openai/none"}, messages=ask)


@pytest.mark.filterwarnings("ignore")
def test_litellm_by_anthropic(litellm: Any, served: Served) -> None:
    place = {"model": "anthropic/one", "api_base": served.url, "api_key": KEY}
    answer = litellm.completion(**place, messages=[{"role": "user", "content": "hello there"}], max_tokens=20)
    assert answer.choices[0].message.content == "hello there"
    called = litellm.completion(
        **place, messages=[{"role": "user", "content": "call"}], tools=[TOOL], max_tokens=20
    )
    assert called.choices[0].message.tool_calls[0].function.name == "look"
