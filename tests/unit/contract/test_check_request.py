"""What fits a language model travels as it was meant; what does not is refused by its field, before any worker."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.contract import TextContract, check_request
from ostiary.core.frames import ToWorker, encode_frame
from ostiary.core.json_text import parse_json_object
from ostiary.core.limits import MAX_FRAME_BODY_BYTES, MAX_FRAME_VALUES
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import ContractRefused
from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language.check_calls import Bounds, parse_call
from ostiary.worker.engines.language.check_prompt import check_length, check_prompt

CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)
UNKNOWN = TextContract(token_ids=None, context_tokens=None, most_tokens=100)
BOUNDS = Bounds(rows=64, context_tokens=128, max_tokens=100)
HELLO = [{"role": "user", "content": "hello"}]


def generate(contract: TextContract = CONTRACT, timeout: Any = None, **fields: Any) -> Any:
    return check_request(ParsedRequest(Operation.GENERATE, {"prompt": "a", **fields}, timeout), contract)


def chat(contract: TextContract = CONTRACT, **fields: Any) -> Any:
    return check_request(ParsedRequest(Operation.CHAT, {"messages": HELLO, **fields}), contract)


def test_what_fits_travels_as_it_is() -> None:
    checked = generate(
        max_tokens=5, temperature=1, stop=("x", "y"), seed=3, logprobs=2, logit_bias={7: 1}, tenant="t"
    )
    assert checked.body == {
        "prompt": "a",
        "max_tokens": 5,
        "temperature": 1.0,
        "stop": ["x", "y"],
        "seed": 3,
        "logprobs": 2,
        "logit_bias": {"7": 1.0},
        "tenant": "t",
    }
    assert (checked.choices, checked.most_tokens, checked.stop) == (1, 5, ("x", "y"))
    assert (checked.logprobs, checked.token_ids) == (2, 64)


def test_what_is_absent_or_null_does_not_travel() -> None:
    assert generate(max_tokens=None, stop=None, logit_bias={}).body == {"prompt": "a"}
    assert generate().most_tokens == 100
    assert generate(n=4).most_tokens == 25
    assert generate(prompt="").body == {"prompt": ""}  # a model's first token alone can be a prompt


def test_a_conversation() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "kind"}]},
        {"role": "user", "content": "hello", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"arguments": "{}"}}]},
        {"role": "tool", "content": "42", "tool_call_id": "1"},
    ]
    checked = chat(
        messages=messages, tools=(tool,), template_options={"enable_thinking": False}, add_generation_prompt=True
    )
    assert checked.body["messages"] == [
        {"role": "system", "content": "be kind"},
        messages[1],
        {"role": "assistant", "tool_calls": messages[2]["tool_calls"]},
        messages[3],
    ]
    assert checked.body["tools"] == [tool]
    assert checked.body["template_options"] == {"enable_thinking": False}
    assert checked.body["add_generation_prompt"] is True


def nest(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"top_q": 1}, "top_q", "CONTRACT_UNKNOWN_FIELD"),
    ({"messages": HELLO}, "messages", "CONTRACT_UNKNOWN_FIELD"),
    ({"prompt": None}, "prompt", "CONTRACT_TYPE"),
    ({"prompt": b"bytes"}, "prompt", "CONTRACT_TYPE"),
    ({"prompt": 3}, "prompt", "CONTRACT_TYPE"),
    ({"prompt": []}, "prompt", "CONTRACT_TYPE"),
    ({"prompt": ["a"]}, "prompt", "CONTRACT_TYPE"),
    ({"prompt": [True]}, "prompt", "CONTRACT_TYPE"),
    ({"prompt": [64]}, "prompt", "CONTRACT_RANGE"),
    ({"prompt": [-1]}, "prompt", "CONTRACT_RANGE"),
    ({"prompt": [1] * 128}, "prompt", "CONTRACT_TOO_LONG"),
    ({"prompt": [1] * 300_000}, "prompt", "CONTRACT_TOO_LONG"),
    ({"prompt": [1] * 100, "max_tokens": 29}, "max_tokens", "CONTRACT_TOO_LONG"),
    ({"prompt": [1], "parse_special": True}, "parse_special", "CONTRACT_UNKNOWN_FIELD"),
    ({"prompt": "a" * ((1 << 20) + 1)}, "prompt", "CONTRACT_TOO_LONG"),
    ({"prompt": "\ud800"}, "prompt", "CONTRACT_TEXT"),
    ({"prompt": "\U0010c000"}, "prompt", "CONTRACT_TEXT"),
    ({"max_tokens": 0}, "max_tokens", "CONTRACT_RANGE"),
    ({"max_tokens": 101}, "max_tokens", "CONTRACT_RANGE"),
    ({"max_tokens": 51, "n": 2}, "max_tokens", "CONTRACT_RANGE"),
    ({"max_tokens": 5.0}, "max_tokens", "CONTRACT_TYPE"),
    ({"max_tokens": True}, "max_tokens", "CONTRACT_TYPE"),
    ({"n": 17}, "n", "CONTRACT_RANGE"),
    ({"temperature": -0.1}, "temperature", "CONTRACT_RANGE"),
    ({"temperature": float("nan")}, "temperature", "CONTRACT_RANGE"),
    ({"temperature": float("inf")}, "temperature", "CONTRACT_RANGE"),
    ({"temperature": "hot"}, "temperature", "CONTRACT_TYPE"),
    ({"top_p": 1.1}, "top_p", "CONTRACT_RANGE"),
    ({"top_k": 64}, "top_k", "CONTRACT_RANGE"),
    ({"min_p": 2}, "min_p", "CONTRACT_RANGE"),
    ({"seed": 1 << 64}, "seed", "CONTRACT_RANGE"),
    ({"presence_penalty": 101}, "presence_penalty", "CONTRACT_RANGE"),
    ({"repetition_penalty": -1}, "repetition_penalty", "CONTRACT_RANGE"),
    ({"repetition_penalty": 0.009}, "repetition_penalty", "CONTRACT_RANGE"),
    ({"frequency_context_size": 0}, "frequency_context_size", "CONTRACT_RANGE"),
    ({"logit_bias": {"64": 1}}, "logit_bias", "CONTRACT_RANGE"),
    ({"logit_bias": {"1": 1, 1: 1}}, "logit_bias", "CONTRACT_RANGE"),
    ({"logit_bias": {"1": 101}}, "logit_bias.1", "CONTRACT_RANGE"),
    ({"logit_bias": {"1": None}}, "logit_bias.1", "CONTRACT_TYPE"),
    ({"logit_bias": {"one": 1}}, "logit_bias", "CONTRACT_TYPE"),
    ({"logit_bias": {1.5: 1}}, "logit_bias", "CONTRACT_TYPE"),
    ({"logit_bias": [1]}, "logit_bias", "CONTRACT_TYPE"),
    ({"logit_bias": {str(i): 1 for i in range(2000)}}, "logit_bias", "CONTRACT_TOO_LONG"),
    ({"logprobs": 21}, "logprobs", "CONTRACT_RANGE"),
    ({"stop": ""}, "stop", "CONTRACT_RANGE"),
    ({"stop": "x" * 257}, "stop", "CONTRACT_RANGE"),
    ({"stop": ["x"] * 17}, "stop", "CONTRACT_TOO_LONG"),
    ({"stop": [1]}, "stop", "CONTRACT_TYPE"),
    ({"stop": 1}, "stop", "CONTRACT_TYPE"),
    ({"stop": "\udfff"}, "stop", "CONTRACT_TEXT"),
    ({"tenant": "x" * 129}, "tenant", "CONTRACT_TOO_LONG"),
    ({"tenant": 1}, "tenant", "CONTRACT_TYPE"),
    ({"show_special": 1}, "show_special", "CONTRACT_TYPE"),
    ({"timeout": 0}, "timeout", "CONTRACT_RANGE"),
    ({"timeout": float("nan")}, "timeout", "CONTRACT_RANGE"),
    ({"timeout": "1"}, "timeout", "CONTRACT_TYPE"),
]


@pytest.mark.parametrize(("fields", "field", "code"), REFUSED, ids=[f"{f}-{c}" for _, f, c in REFUSED])
def test_what_does_not_fit_is_refused_by_its_field(fields: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(ContractRefused) as caught:
        generate(**fields)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.message.startswith(f"{field} ")
    assert len(caught.value.message) < 200


REFUSED_CHATS: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": []}, "messages", "CONTRACT_TYPE"),
    ({"messages": None}, "messages", "CONTRACT_TYPE"),
    ({"messages": "hello"}, "messages", "CONTRACT_TYPE"),
    ({"messages": ["hello"]}, "messages[0]", "CONTRACT_TYPE"),
    ({"messages": [{"role": "user"}]}, "messages[0]", "CONTRACT_TYPE"),
    ({"messages": [{"role": "god", "content": "x"}]}, "messages[0].role", "CONTRACT_RANGE"),
    ({"messages": [{"content": "x"}]}, "messages[0].role", "CONTRACT_RANGE"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "CONTRACT_TYPE"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "CONTRACT_TYPE"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].type",
        "CONTRACT_RANGE",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "CONTRACT_TYPE",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "more": 1}]}]},
        "messages[0].content[0].more",
        "CONTRACT_UNKNOWN_FIELD",
    ),
    (
        {"messages": [*HELLO, {"role": "user", "content": "x", "weight": 1}]},
        "messages[1].weight",
        "CONTRACT_UNKNOWN_FIELD",
    ),
    ({"messages": [{"role": "user", "content": "x", 3: 1}]}, "messages[0]", "CONTRACT_TYPE"),
    ({"messages": [{"role": "assistant", "tool_calls": ["x"]}]}, "messages[0].tool_calls[0]", "CONTRACT_TYPE"),
    ({"messages": HELLO * 5000}, "messages", "CONTRACT_TOO_LONG"),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content", "CONTRACT_TEXT"),
    ({"tools": [3]}, "tools[0]", "CONTRACT_TYPE"),
    ({"tools": {}}, "tools", "CONTRACT_TYPE"),
    ({"tools": [{"x": object()}]}, "tools", "CONTRACT_TYPE"),
    ({"tools": [{"x": b"x"}]}, "tools", "CONTRACT_TYPE"),
    ({"tools": [{1: "x"}]}, "tools", "CONTRACT_TYPE"),
    ({"tools": [{"x": float("inf")}]}, "tools", "CONTRACT_RANGE"),
    ({"tools": [{"x": 1 << 64}]}, "tools", "CONTRACT_RANGE"),
    ({"tools": [{"\udc00": 1}]}, "tools", "CONTRACT_TEXT"),
    ({"documents": [{"x": nest(40)}]}, "documents", "CONTRACT_TOO_LONG"),
    ({"documents": [{"x": [0] * 70_000}]}, "documents", "CONTRACT_TOO_LONG"),
    ({"template_options": [1]}, "template_options", "CONTRACT_TYPE"),
    (
        {"continue_final_message": True, "add_generation_prompt": True},
        "continue_final_message",
        "CONTRACT_RANGE",
    ),
    ({"prompt": "x"}, "prompt", "CONTRACT_UNKNOWN_FIELD"),
]


@pytest.mark.parametrize(("fields", "field", "code"), REFUSED_CHATS, ids=[f"{f}-{c}" for _, f, c in REFUSED_CHATS])
def test_a_conversation_that_does_not_fit(fields: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(ContractRefused) as caught:
        chat(**fields)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_name_that_is_no_name_cannot_write_to_a_terminal() -> None:
    with pytest.raises(ContractRefused) as caught:
        generate(**{"\x1b[2J": 1})
    assert caught.value.message.isprintable()
    assert caught.value.field == "\\x1b[2J"


def test_all_texts_of_a_request_together_have_a_ceiling() -> None:
    half = "a" * (1 << 19)
    assert chat(messages=[{"role": "user", "content": half}])
    with pytest.raises(ContractRefused) as caught:
        chat(messages=[{"role": "user", "content": half}] * 2)
    assert (caught.value.code, caught.value.field) == ("CONTRACT_TOO_LONG", "messages[1].content")


def test_what_is_not_known_outside_the_wall_is_left_to_the_engine() -> None:
    assert generate(UNKNOWN, prompt=[70_000] * 500, logit_bias={"99999": 1}, top_k=200_000)
    with pytest.raises(ContractRefused):
        generate(UNKNOWN, prompt=[1 << 31])


def test_the_largest_requests_fit_a_frame_and_are_read() -> None:
    texts = chat(messages=[{"role": "user", "content": "\x01" * ((1 << 20) - 4)}])
    ids = generate(TextContract(1 << 31, None, 100), prompt=[2_000_000_000] * 262_144)
    values = chat(tools=[{"x": [0.1234567890123456] * 65_000}])
    for checked in (texts, ids, values):
        body = {"operation": checked.operation.value, "body": checked.body}
        text = bytes(encode_frame(ToWorker.CALL, 1, body)[0])[16:]
        parse_json_object(text, max_bytes=MAX_FRAME_BODY_BYTES, max_values=MAX_FRAME_VALUES)


# --- two gates, one opinion ------------------------------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(-3, 130), st.floats(-2, 102), st.booleans(), st.none(), st.just(1 << 64))
TEXTS = st.sampled_from(["", "a", "hello", "x" * 130, "x" * 300, "\U0010c000", "\U0010bfff"])
ANY = st.one_of(NUMBERS, TEXTS, st.lists(TEXTS, max_size=3), st.dictionaries(TEXTS, NUMBERS, max_size=2))
FORMS: Any = [
    {"type": "text"},
    {"type": "json_object"},
    {"type": "json_object", "schema": {}},
    {"type": "json_schema"},
    {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"enum": [1]}}}},
    {"type": "json_schema", "schema": {"not": {}}},
    {"type": "json_schema", "schema": {"$ref": "#"}},
    {"type": "json_schema", "schema": True},
]
TOOLS: Any = [
    [{"type": "function", "function": {"name": "f"}}],
    [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"properties": {}}}}],
    [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"not": {}}}}],
    [{"name": "f"}, {"name": "f"}],
    [{"function": {"name": ""}}],
]
CHOICES: Any = ["none", "auto", "required", "f", {"name": "f"}, {"name": "g"}, {"name": "f", "more": 1}]
SAMPLING = {
    "max_tokens": NUMBERS,
    "temperature": NUMBERS,
    "top_p": NUMBERS,
    "top_k": NUMBERS,
    "min_p": NUMBERS,
    "seed": NUMBERS,
    "n": NUMBERS,
    "logprobs": NUMBERS,
    "stop": st.one_of(TEXTS, st.lists(TEXTS, max_size=18), NUMBERS),
    "logit_bias": st.dictionaries(st.sampled_from(["0", "63", "64", "01", "x", ""]), NUMBERS, max_size=3),
    "tenant": st.one_of(TEXTS, NUMBERS),
    "show_special": ANY,
    "ignore_eos": ANY,
    "repetition_penalty": NUMBERS,
    "presence_penalty": NUMBERS,
    "frequency_penalty": NUMBERS,
    "repetition_context_size": NUMBERS,
    "response_format": st.one_of(ANY, st.sampled_from(FORMS)),
    "unknown": st.just(1),
}
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "god"])},
        optional={
            "content": st.one_of(ANY, st.just([{"type": "text", "text": "a"}]), st.just([{"type": "image"}])),
            "name": ANY,
            "tool_call_id": ANY,
            "reasoning_content": ANY,
            "tool_calls": st.one_of(ANY, st.just([{"function": {}}]), st.just([])),
            "unknown": st.just(1),
        },
    ),
    max_size=3,
)
PROMPTS = st.one_of(TEXTS, st.lists(st.integers(-1, 65), max_size=130), ANY)
GENERATE = st.fixed_dictionaries({}, optional={"prompt": PROMPTS, "parse_special": ANY, **SAMPLING})
CHAT = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        "tools": st.one_of(ANY, st.just([{"type": "function"}]), st.just([]), st.sampled_from(TOOLS)),
        "tool_choice": st.one_of(ANY, st.sampled_from(CHOICES)),
        "parallel_tool_calls": ANY,
        "documents": ANY,
        "template_options": ANY,
        "add_generation_prompt": ANY,
        "continue_final_message": ANY,
        **SAMPLING,
    },
)


def engine_takes(operation: str, body: Any) -> bool:
    try:
        call = parse_call(operation, body, BOUNDS)
        if operation == "generate" and isinstance(body["prompt"], list):
            check_prompt(call.prompt, call.generation, BOUNDS)
        if operation == "embed" and isinstance(body["text"], list):
            check_length(call.text, "the text", BOUNDS)
    except CallUnfit:
        return False
    return True


EMBED = st.fixed_dictionaries(
    {},
    optional={
        "text": st.one_of(TEXTS, st.lists(st.integers(-1, 65), max_size=5), ANY),
        "pooling": st.one_of(ANY, st.sampled_from(["mean", "last"])),
        "max_tokens": NUMBERS,
    },
)
_TALK = ("tools", "tool_choice", "parallel_tool_calls", "documents", "template_options", "add_generation_prompt")
RENDER = CHAT.map(lambda body: {name: body[name] for name in ("messages", *_TALK) if name in body})


@given(
    body=st.one_of(
        GENERATE.map(lambda b: ("generate", b)),
        CHAT.map(lambda b: ("chat", b)),
        EMBED.map(lambda b: ("embed", b)),
        RENDER.map(lambda b: ("render_template", b)),
    )
)
def test_the_engine_and_the_contract_are_of_one_opinion(body: tuple[str, dict[str, Any]]) -> None:
    operation, fields = body
    try:
        checked = check_request(ParsedRequest(Operation(operation), fields), CONTRACT)
    except ContractRefused:
        # a larger prompt than fits beside what was asked for is told here before tokens are counted
        assert not engine_takes(operation, fields)
    else:
        assert engine_takes(operation, checked.body)
