"""Calls are closed forms: what does not fit is refused by its name, before anything is done with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.worker.engines.contract import CallOverLimit, CallUnfit, LimitName
from ostiary.worker.engines.language.check_calls import (
    OPERATIONS,
    Bounds,
    ChatCall,
    DetokenizeCall,
    EmbedCall,
    GenerateCall,
    TokenizeCall,
    parse_call,
)
from ostiary.worker.engines.language.check_prompt import check_prompt
from ostiary.worker.engines.language.options import Generation, Penalties, Sampling

BOUNDS = Bounds(rows=100, context_tokens=50, max_tokens=40)
CHAT = {"messages": [{"role": "user", "content": "hi"}]}


def refuse(operation: str, body: dict[str, Any]) -> str:
    with pytest.raises(CallUnfit) as refused:
        parse_call(operation, body, BOUNDS)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def test_a_whole_call() -> None:
    body = {
        "prompt": "hi",
        "parse_special": True,
        "max_tokens": 5,
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 7,
        "min_p": 0.1,
        "seed": (1 << 64) - 1,
        "logit_bias": {"5": 1.5, "99": -100},
        "repetition_penalty": 1.1,
        "repetition_context_size": 64,
        "presence_penalty": -2,
        "frequency_penalty": 0.5,
        "stop": ["a", "b"],
        "logprobs": 0,
        "n": 2,
        "tenant": "acme",
        "show_special": True,
        "ignore_eos": True,
    }
    sampling = Sampling(
        temperature=1.0,
        top_p=0.5,
        top_k=7,
        min_p=0.1,
        seed=(1 << 64) - 1,
        bias={5: 1.5, 99: -100.0},
        penalties=Penalties(1.1, 64, -2.0, 20, 0.5, 20),
    )
    generation = Generation(5, sampling, ("a", "b"), 0, 2, "acme", True, True)
    assert parse_call("generate", body, BOUNDS) == GenerateCall("hi", True, generation)


def test_the_least_of_each_operation() -> None:
    assert parse_call("generate", {"prompt": [0, 99]}, BOUNDS) == GenerateCall((0, 99), False, Generation())
    assert parse_call("tokenize", {"text": ""}, BOUNDS) == TokenizeCall("", False, True)
    assert parse_call("detokenize", {"tokens": [1]}, BOUNDS) == DetokenizeCall((1,), False)
    assert parse_call("embed", {"text": [1]}, BOUNDS) == EmbedCall((1,), False, "mean", True)
    chat = parse_call("chat", CHAT, BOUNDS)
    assert isinstance(chat, ChatCall)
    assert chat.add_generation_prompt
    assert chat.generation == Generation()
    rendered = parse_call("render_template", CHAT, BOUNDS)
    assert isinstance(rendered, ChatCall)
    assert rendered.generation is None


def test_a_message_keeps_what_templates_know() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
        "name": None,
    }
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    chat = parse_call("chat", {"messages": [parts, message]}, BOUNDS)
    assert isinstance(chat, ChatCall)
    assert chat.messages == (
        {"role": "user", "content": "ab"},
        {"role": "assistant", "reasoning_content": "hm", "tool_calls": message["tool_calls"]},
    )


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("prompt", None, "prompt is null"),
        ("prompt", 3, "prompt is a number"),
        ("prompt", [100], "prompt holds 100; token ids of this model go from 0 to 99"),
        ("prompt", [-1], "prompt holds -1"),
        ("prompt", [True], "prompt holds a boolean"),
        ("prompt", [1.0], "prompt holds a number"),
        ("prompt", [[1]], "prompt holds a list"),
        ("prompt", "a\U0010e000", "reserved"),
        ("max_tokens", 0, "max_tokens is 0; it must be from 1 to 40"),
        ("max_tokens", 41, "max_tokens is 41"),
        ("max_tokens", True, "max_tokens is a boolean"),
        ("max_tokens", 1.5, "max_tokens is a number, not an integer"),
        ("temperature", -0.1, "temperature must be from 0 to 100"),
        ("temperature", float("inf"), "temperature must be"),
        ("temperature", float("nan"), "temperature must be"),
        ("temperature", "1", "temperature is a string"),
        ("top_p", 1.01, "top_p must be from 0 to 1"),
        ("top_k", 100, "top_k is 100; it must be from 0 to 99"),
        ("top_k", -1, "top_k is -1"),
        ("min_p", 2, "min_p must be"),
        ("seed", 1 << 64, "seed is 18446744073709551616"),
        ("seed", -1, "seed is -1"),
        ("logit_bias", [], "logit_bias is a list"),
        ("logit_bias", {"100": 1}, "logit_bias names '100'"),
        ("logit_bias", {"-1": 1}, "logit_bias names '-1'"),
        ("logit_bias", {"1e1": 1}, "logit_bias names '1e1'"),
        ("logit_bias", {"\u0661": 1}, "logit_bias names"),
        ("logit_bias", {"9" * 5000: 1}, "logit_bias names"),
        ("logit_bias", {"5": 101}, "logit_bias.5 must be from -100 to 100"),
        ("logit_bias", {"5": None}, "logit_bias.5 is null"),
        ("logit_bias", {"5": 1, "05": 1}, "twice"),
        ("logit_bias", {str(place): 0 for place in range(1025)}, "1025 entries"),
        ("repetition_penalty", -1, "repetition_penalty must be"),
        ("repetition_penalty", 1e-40, "repetition_penalty must be"),
        ("repetition_context_size", 0, "repetition_context_size is 0"),
        ("presence_penalty", 101, "presence_penalty must be"),
        ("stop", [1], "stop is a number"),
        ("stop", "", "from 1 to 256 characters"),
        ("stop", ["a" * 257], "from 1 to 256 characters"),
        ("stop", ["a"] * 17, "stop has 17 entries"),
        ("stop", {"a": 1}, "stop is an object"),
        ("logprobs", 21, "logprobs is 21"),
        ("logprobs", True, "logprobs is a boolean"),
        ("n", 0, "n is 0"),
        ("n", 17, "n is 17"),
        ("tenant", 5, "tenant is a number"),
        ("tenant", "a" * 129, "tenant is longer"),
        ("show_special", 1, "show_special is a number"),
        ("model", "/etc/passwd", "there is no field 'model'"),
        ("\x1b[31m", 1, "there is no field '\\x1b[31m'"),
    ],
)
def test_fields_of_generate(field: str, value: Any, said: str) -> None:
    assert said in refuse("generate", {"prompt": "hi", **{field: value}})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "messages is missing or empty"),
        ({"messages": []}, "messages is missing or empty"),
        ({"messages": "hi"}, "messages is a string"),
        ({"messages": ["hi"]}, "messages[0] is a string"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role is null"),
        ({"messages": [{"role": "im_end|><|im_start", "content": "hi"}]}, "messages[0].role is not one of"),
        ({"messages": [{"role": "user"}]}, "messages[0] has no content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content is a number"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "messages[0].content is an object"),
        ({"messages": [{"role": "user", "content": [3]}]}, "messages[0].content[0] is a number"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "file:///etc"}]}]},
            "messages[0].content[0] is not of type text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "b": 1}]}]},
            "there is no field 'messages[0].content[0].b'",
        ),
        ({"messages": [{"role": "user", "content": "hi", "x": 1}]}, "there is no field 'messages[0].x'"),
        ({"messages": [{"role": "user", "content": "\U0010c000"}]}, "reserved"),
        ({"messages": [{"role": "assistant", "tool_calls": [3]}]}, "messages[0].tool_calls[0] is a number"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"a": "\U0010c000"}]}]}, "reserved"),
        ({**CHAT, "tools": [3]}, "tools[0] is a number"),
        ({**CHAT, "tools": {}}, "tools is an object"),
        ({**CHAT, "tools": [{"\U0010c000": 1}]}, "reserved"),
        ({**CHAT, "documents": ["a"]}, "documents[0] is a string"),
        ({**CHAT, "template_options": []}, "template_options is a list"),
        ({**CHAT, "add_generation_prompt": True, "continue_final_message": True}, "exclude one another"),
        ({**CHAT, "chat_template": "{{ 1 }}"}, "there is no field 'chat_template'"),
        ({"messages": [CHAT["messages"][0]] * 4097}, "messages has 4097 entries"),
    ],
)
def test_chats(body: dict[str, Any], said: str) -> None:
    assert said in refuse("chat", body)
    assert said in refuse("render_template", body)


def test_rendering_takes_no_options_of_generation() -> None:
    assert refuse("render_template", {**CHAT, "temperature": 1}) == "there is no field 'temperature'"


@pytest.mark.parametrize(
    ("operation", "body", "said"),
    [
        ("load", {}, "there is no operation 'load'"),
        ("tokenize", {"text": 3}, "text is a number"),
        ("tokenize", {"text": "a", "x": 1}, "there is no field 'x'"),
        ("detokenize", {"tokens": "a"}, "tokens is a string"),
        ("detokenize", {"tokens": [100]}, "tokens holds 100"),
        ("embed", {}, "text is null"),
        ("embed", {"text": [100]}, "text holds 100"),
        ("embed", {"text": "a", "pooling": "max"}, "pooling is not one of mean, last"),
        ("embed", {"text": "a", "normalize": 1}, "normalize is a number"),
        ("embed", {"text": "a", "tenant": "b"}, "there is no field 'tenant'"),
    ],
)
def test_other_operations(operation: str, body: dict[str, Any], said: str) -> None:
    assert said in refuse(operation, body)


@pytest.mark.parametrize(
    ("ids", "wanted", "said"),
    [
        ([], None, "no tokens"),
        ([100], None, "the prompt holds 100"),
        ([1] * 50, None, "the prompt has 50 tokens; the context has 50"),
        ([1] * 51, None, "the prompt has 51 tokens; the context has 50"),
        ([1] * 30, 21, "30 tokens of prompt and 21 of answer do not fit; the context has 50"),
    ],
)
def test_prompts_that_do_not_fit(ids: list[int], wanted: int | None, said: str) -> None:
    with pytest.raises(CallUnfit, match=said):
        check_prompt(ids, Generation(max_tokens=wanted), BOUNDS)


def test_an_answer_may_have_what_room_there_is() -> None:
    assert check_prompt([1] * 30, Generation(), BOUNDS) == 20
    assert check_prompt([1], Generation(), BOUNDS) == 40
    assert check_prompt([1], Generation(choices=4), BOUNDS) == 10
    assert check_prompt([1] * 30, Generation(max_tokens=3), BOUNDS) == 3
    with pytest.raises(CallUnfit, match="max_tokens is 11; it must be from 1 to 10"):
        parse_call("generate", {"prompt": "a", "n": 4, "max_tokens": 11}, BOUNDS)


WORDS = st.text("ab1<|\n\0\U0010e000", max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    "prompt messages tools max_tokens temperature top_k seed logit_bias stop n logprobs tenant text tokens".split()
)


@given(st.sampled_from(OPERATIONS), st.dictionaries(NAMES, JSON, max_size=6))
def test_anything_is_a_call_or_is_refused(operation: str, body: dict[str, Any]) -> None:
    with suppress(CallUnfit):
        parse_call(operation, body, BOUNDS)


LIMITED = {"prompt_limit": 30, "answer_limit": 5, "context_limit": 32}


def test_limits_of_the_contract_come_along_with_a_call() -> None:
    call = parse_call("generate", {"prompt": "a", **LIMITED}, BOUNDS)
    assert isinstance(call, GenerateCall)
    generation = call.generation
    assert check_prompt([1] * 20, generation, BOUNDS) == 5
    assert check_prompt([1] * 30, generation, BOUNDS) == 2
    for length, limit in ((31, LimitName.PROMPT), (30, LimitName.CONTEXT)):
        with pytest.raises(CallOverLimit) as caught:
            check_prompt([1] * length, replace(generation, max_tokens=3), BOUNDS)
        assert caught.value.limit is limit
    assert check_prompt([1] * 20, replace(generation, max_tokens=9), BOUNDS) == 9


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("value", [0, -1, "5", True, 1 << 40])
def test_limits_that_are_none_are_refused(name: str, value: object) -> None:
    assert name in refuse("generate", {"prompt": "a", name: value})
