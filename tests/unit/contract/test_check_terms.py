"""A request held against the model's own contract: it only narrows, and each no names field, rule and limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract_files import (
    EMBEDDED,
    EMBEDDED_IDS,
    FULL,
    IDS,
    LEAST,
    MESSAGES,
    OPTIONS,
    PROMPT,
    TEXT,
    TOOLS,
    contract_file,
)
from hypothesis import given
from hypothesis import strategies as st

from ostiary.contract import TextContract, check_request, derive_contract, make_samples, name_limit
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.terms.derive_terms import derive_terms
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.core.terms.values import HOUSE_TERMS, LanguageTerms
from ostiary.core.tickets import CheckedRequest, ModelFacts
from ostiary.errors import WORKER_CALL_REFUSED, CallRefused, ContractRefused, render_public

HELLO = [{"role": "user", "content": "hello"}]
ALL = {**LEAST, "inputs": [PROMPT, IDS, MESSAGES, TOOLS, OPTIONS]}


def terms_of(**changes: Any) -> LanguageTerms:
    return parse_language_contract(contract_file({**ALL, **changes}))


def ask(terms: LanguageTerms, fields: dict[str, Any]) -> CheckedRequest:
    operation = Operation.CHAT if "messages" in fields else Operation.GENERATE
    return check_request(ParsedRequest(operation, fields), TextContract(64, 128, 100, terms))


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": HELLO, **fields}


def prompt(**fields: Any) -> dict[str, Any]:
    return {"prompt": "a", **fields}


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str, str, str, object]] = [
    ({"inputs": [PROMPT]}, chat(), "messages", "inputs", "CONTRACT_NOT_OFFERED", None),
    ({"inputs": [PROMPT]}, {"prompt": [1]}, "prompt", "inputs", "CONTRACT_NOT_OFFERED", None),
    ({"inputs": [IDS]}, prompt(), "prompt", "inputs", "CONTRACT_NOT_OFFERED", None),
    ({"inputs": [MESSAGES]}, chat(tools=[{}]), "tools", "inputs", "CONTRACT_NOT_OFFERED", None),
    (
        {"inputs": [{**MESSAGES, "roles": ["user"]}]},
        {"messages": [*HELLO, {"role": "system", "content": "x"}]},
        "messages[1].role",
        "inputs.messages.roles",
        "CONTRACT_NOT_OFFERED",
        ("user",),
    ),
    (
        {"inputs": [MESSAGES, {**OPTIONS, "allowed": ["a"]}]},
        chat(template_options={"b": 1}),
        "template_options.b",
        "inputs.template_options.allowed",
        "CONTRACT_NOT_OFFERED",
        None,
    ),
    (
        {"inputs": [{**PROMPT, "max_characters": 3}]},
        {"prompt": "abcd"},
        "prompt",
        "inputs.prompt.max_characters",
        "CONTRACT_TOO_LONG",
        3,
    ),
    (
        {"inputs": [{**MESSAGES, "max_characters": 4}]},
        chat(),
        "messages[0]",
        "inputs.messages.max_characters",
        "CONTRACT_TOO_LONG",
        4,
    ),
    (
        {"inputs": [MESSAGES, {**TOOLS, "max_characters": 4}]},
        chat(tools=[{"name": "f"}]),
        "tools",
        "inputs.tools.max_characters",
        "CONTRACT_TOO_LONG",
        4,
    ),
    (
        {"inputs": [{**IDS, "range": [3, 9]}]},
        {"prompt": [3, 10]},
        "prompt",
        "inputs.prompt_ids.range",
        "CONTRACT_RANGE",
        (3, 9),
    ),
    (
        {"dims": {"tokens": {"max": 2}}},
        {"prompt": [1, 1, 1]},
        "prompt",
        "dims.tokens.max",
        "CONTRACT_TOO_LONG",
        2,
    ),
    ({"dims": {"messages": {"min": 2}}}, chat(), "messages", "dims.messages.min", "CONTRACT_RANGE", 2),
    ({"dims": {"tools": {"max": 1}}}, chat(tools=[{}, {}]), "tools", "dims.tools.max", "CONTRACT_TOO_LONG", 1),
    ({"dims": {"choices": {"max": 2}}}, prompt(n=3), "n", "dims.choices.max", "CONTRACT_TOO_LONG", 2),
    ({"parameters": {}}, prompt(seed=1), "seed", "parameters", "CONTRACT_NOT_OFFERED", None),
    ({"parameters": {}}, prompt(ignore_eos=False), "ignore_eos", "parameters", "CONTRACT_NOT_OFFERED", None),
    (
        {"parameters": {}},
        chat(response_format={"type": "json_object"}),
        "response_format",
        "parameters",
        "CONTRACT_NOT_OFFERED",
        None,
    ),
    (
        {"parameters": {"temperature": {"range": [0, 1]}}},
        prompt(temperature=1.5),
        "temperature",
        "parameters.temperature.range",
        "CONTRACT_RANGE",
        (0, 1),
    ),
    (
        {"parameters": {"logit_bias": {"range": [-1, 1]}}},
        prompt(logit_bias={"3": 2}),
        "logit_bias",
        "parameters.logit_bias.range",
        "CONTRACT_RANGE",
        (-1, 1),
    ),
    (
        {"parameters": {"stop": {"max_items": 1}}},
        prompt(stop=["a", "b"]),
        "stop",
        "parameters.stop.max_items",
        "CONTRACT_TOO_LONG",
        1,
    ),
    (
        {"parameters": {"ignore_eos": {"allowed": [False]}}},
        prompt(ignore_eos=True),
        "ignore_eos",
        "parameters.ignore_eos.allowed",
        "CONTRACT_RANGE",
        "false",
    ),
    (
        {"outputs": [{**TEXT, "max_tokens": 5}]},
        prompt(max_tokens=6),
        "max_tokens",
        "outputs.text.max_tokens",
        "CONTRACT_TOO_LONG",
        5,
    ),
    (
        {"outputs": [{**TEXT, "stop": [str(n) for n in range(15)]}]},
        prompt(stop=["a", "b"]),
        "stop",
        "outputs.text.stop",
        "CONTRACT_TOO_LONG",
        1,
    ),
]


@pytest.mark.parametrize(
    ("changes", "fields", "field", "rule", "code", "limit"),
    REFUSED,
    ids=[f"{r[3]}-{n}" for n, r in enumerate(REFUSED)],
)
def test_what_the_contract_does_not_allow(  # noqa: PLR0917  one row of a table
    changes: dict[str, Any], fields: dict[str, Any], field: str, rule: str, code: str, limit: object
) -> None:
    assert ask(HOUSE_TERMS, fields)
    with pytest.raises(ContractRefused) as caught:
        ask(terms_of(**changes), fields)
    error = caught.value
    assert (error.field, error.rule, error.code, error.limit) == (field, rule, code, limit)
    assert error.message.startswith(f"{field} ")


TEXTS: list[dict[str, Any]] = [
    {"prompt": "a\U000e0041"},
    {"messages": [{"role": "user", "content": "\U000e0041"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "\U000e0041"}]}]},
    {"messages": [{"role": "user", "content": "a", "name": "\U000e0041"}]},
    {"messages": [{"role": "assistant", "content": "a", "reasoning_content": "\U000e0041"}]},
    {"messages": [{"role": "tool", "content": "a", "tool_call_id": "\U000e0041"}]},
    chat(tools=[{"function": {"description": "\U000e0041"}}]),
    chat(tools=[{"\U000e0041": 1}]),
    chat(documents=[{"text": ["\U000e0041"]}]),
    chat(template_options={"a": "\U000e0041"}),
    {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "\U000e0041"}}]}]},
    {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": '{"a": "\\udb40\\udc41"}'}}]}]},
]
TAGS = {
    "text": {"characters": {"tags": "refuse"}},
    "inputs": [*ALL["inputs"], {**TOOLS, "name": "documents", "dims": ["documents"]}],
}


@pytest.mark.parametrize("fields", TEXTS, ids=range(len(TEXTS)))
def test_a_rule_for_texts_reaches_every_text(fields: dict[str, Any]) -> None:
    assert ask(HOUSE_TERMS, fields)
    with pytest.raises(ContractRefused) as caught:
        ask(terms_of(**TAGS), fields)
    assert caught.value.rule == "text.characters.tags"


def test_removed_characters_do_not_travel_and_nothing_else_changes() -> None:
    terms = terms_of(
        text={"characters": {"invisible": "remove"}, "normalization": {"form": "NFC", "action": "apply"}}
    )
    arguments = '{"a": "x\\u200by", "b": [1, true, null]}'
    messages = [
        {"role": "user", "content": "e\u200b\u0301"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]},
    ]
    checked = ask(terms, {"messages": messages, "tenant": "t\u200b", "stop": "\u200b"})
    first, second = checked.body["messages"]  # type: ignore[misc]
    assert first == {"role": "user", "content": "\u00e9"}
    assert json.loads(second["tool_calls"][0]["function"]["arguments"]) == {"a": "xy", "b": [1, True, None]}
    assert checked.body["tenant"] == "t\u200b"  # two tenants must not become one
    assert checked.stop == ("\u200b",)


def test_a_role_is_a_word_and_no_text() -> None:
    terms = terms_of(text={"characters": {"invisible": "remove"}})
    with pytest.raises(ContractRefused) as caught:
        ask(terms, {"messages": [{"role": "us\u200ber", "content": "a"}]})
    assert caught.value.field == "messages[0].role"


def test_two_names_that_become_one_are_refused() -> None:
    terms = terms_of(text={"characters": {"invisible": "remove"}})
    with pytest.raises(ContractRefused) as caught:
        ask(terms, chat(tools=[{"a": 1, "a\u200b": 2}]))
    assert (caught.value.code, caught.value.field) == ("CONTRACT_TEXT", "tools")


def test_what_grows_in_its_normal_form_is_counted() -> None:
    terms = terms_of(text={"normalization": {"form": "NFKC", "action": "apply"}})
    with pytest.raises(ContractRefused) as caught:
        ask(terms, {"prompt": "\ufdfa" * 100_000})
    assert (caught.value.code, caught.value.rule) == ("CONTRACT_TOO_LONG", "max_characters")


def test_arguments_that_are_not_json_are_refused() -> None:
    calls = [{"function": {"arguments": "{"}}]
    with pytest.raises(ContractRefused) as caught:
        ask(HOUSE_TERMS, {"messages": [{"role": "assistant", "tool_calls": calls}]})
    assert caught.value.field == "messages[0].tool_calls[0].function.arguments"


def test_what_only_the_engine_can_count_travels_with_the_call() -> None:
    terms = terms_of(
        context_tokens=100,
        inputs=[{**PROMPT, "max_tokens": 20}, IDS, {**MESSAGES, "max_tokens": 30}],
        outputs=[{**TEXT, "max_tokens": 5}],
    )
    by_text, by_ids, as_chat = ask(terms, prompt()), ask(terms, {"prompt": [1]}), ask(terms, chat())
    assert (by_text.prompt_limit, by_ids.prompt_limit, as_chat.prompt_limit) == (20, None, 30)
    limits = {name: by_text.body.get(name) for name in ("prompt_limit", "answer_limit", "context_limit")}
    assert limits == {"prompt_limit": 20, "answer_limit": 5, "context_limit": 100}
    assert by_text.most_tokens == 5
    assert "answer_limit" not in ask(terms, prompt(max_tokens=3)).body
    assert not ask(HOUSE_TERMS, prompt()).body.keys() & limits.keys()


@pytest.mark.parametrize("name", ["prompt_limit", "answer_limit", "context_limit"])
def test_nobody_outside_can_set_such_a_limit(name: str) -> None:
    with pytest.raises(ContractRefused) as caught:
        ask(HOUSE_TERMS, prompt(**{name: 5}))
    assert (caught.value.code, caught.value.field) == ("CONTRACT_UNKNOWN_FIELD", name)


def test_a_limit_that_the_engine_names_is_told_as_the_others_are() -> None:
    checked = ask(terms_of(context_tokens=100, inputs=[{**PROMPT, "max_tokens": 20}]), prompt())
    for limit, rule, most in (
        ("prompt_limit", "inputs.prompt.max_tokens", 20),
        ("context_limit", "context_tokens", 100),
    ):
        error = name_limit(CallRefused(WORKER_CALL_REFUSED, "the engine says: secret", limit=limit), checked)
        assert isinstance(error, ContractRefused)
        assert (error.rule, error.limit, error.field, error.code) == (rule, most, "prompt", "CONTRACT_TOO_LONG")
        assert "secret" not in error.message


@pytest.mark.parametrize(
    ("sentence", "body", "field"),
    [
        ("no value fits the schema", {"response_format": {"type": "json_object"}}, "response_format"),
        ("no value fits the schema", {}, "tools"),
        ("the chat template has no place for tools", {}, "tools"),
        ("the chat template does not have all options that were given", {}, "template_options"),
        ("the prompt has 9000 tokens; the context has 128", {}, "prompt"),
        ("100 tokens of prompt and 90 of answer do not fit; the context has 128", {}, "max_tokens"),
        ("the arguments of a tool call are not JSON", {}, "prompt"),
        ("", {}, ""),
    ],
)
def test_what_the_engine_means_is_named(sentence: str, body: dict[str, Any], field: str) -> None:
    error = CallRefused(WORKER_CALL_REFUSED, "the engine says: secret", public_detail=sentence)
    assert name_limit(error, ask(HOUSE_TERMS, prompt(**body))) is error
    assert error.field == render_public(error, "").field == field


def test_a_limit_that_nobody_set_is_not_believed() -> None:
    error = CallRefused(WORKER_CALL_REFUSED, "the engine says: no", limit="prompt_limit")
    assert name_limit(error, ask(HOUSE_TERMS, prompt())) is error
    plain = CallRefused(WORKER_CALL_REFUSED, "the engine says: no")
    assert name_limit(plain, ask(HOUSE_TERMS, prompt())) is plain


def test_answers_that_must_be_json_are_held_to_it_by_the_engine() -> None:
    terms = terms_of(inputs=[PROMPT, MESSAGES], outputs=[{**TEXT, "json": True}])
    any_json = {"type": "json_schema", "schema": {}}
    assert ask(terms, prompt()).body["response_format"] == any_json
    assert ask(terms, prompt(response_format={"type": "text"})).body["response_format"] == any_json
    own = {"type": "json_object"}
    assert ask(terms, chat(response_format=own)).body["response_format"] == own
    assert "response_format" not in ask(HOUSE_TERMS, prompt()).body


def embed(terms: LanguageTerms, **fields: Any) -> CheckedRequest:
    return check_request(ParsedRequest(Operation.EMBED, fields), TextContract(64, 128, 100, terms))


def test_texts_that_vectors_are_made_of_are_held_to_the_contract_too() -> None:
    with pytest.raises(ContractRefused) as caught:
        embed(terms_of(), text="a")
    assert (caught.value.code, caught.value.field, caught.value.rule) == ("CONTRACT_NOT_OFFERED", "text", "inputs")
    terms = terms_of(
        context_tokens=100,
        inputs=[{**EMBEDDED, "max_tokens": 20, "max_characters": 3}, {**EMBEDDED_IDS, "range": [0, 9]}],
        text={"characters": {"tags": "refuse"}},
        parameters={},
    )
    checked = embed(terms, text="abc")
    assert (checked.body, checked.prompt_limit) == ({"text": "abc", "prompt_limit": 20, "context_limit": 100}, 20)
    error = name_limit(CallRefused(WORKER_CALL_REFUSED, "no", limit="prompt_limit"), checked)
    assert isinstance(error, ContractRefused)
    assert (error.field, error.rule, error.limit) == ("text", "inputs.text.max_tokens", 20)
    for value, rule in (
        ("abcd", "inputs.text.max_characters"),
        ([10], "inputs.text_ids.range"),
        ("\U000e0041", "text.characters.tags"),
    ):
        with pytest.raises(ContractRefused) as caught:
            embed(terms, text=value)
        assert caught.value.rule == rule
    with pytest.raises(ContractRefused) as caught:
        embed(terms, text="a", pooling="last")
    assert (caught.value.field, caught.value.rule) == ("pooling", "parameters")


def test_what_a_conversation_would_be_to_the_model_is_held_to_it_as_well() -> None:
    request = ParsedRequest(Operation.RENDER, {"messages": [{"role": "tool", "content": "a"}]})
    assert check_request(request, TextContract(64, 128, 100)).body
    with pytest.raises(ContractRefused) as caught:
        check_request(request, TextContract(64, 128, 100, terms_of(inputs=[{**MESSAGES, "roles": ["user"]}])))
    assert caught.value.rule == "inputs.messages.roles"


def test_stop_texts_of_the_contract_come_to_those_of_the_request() -> None:
    terms = terms_of(outputs=[{**TEXT, "stop": ["\nUser:", "x"]}])
    assert ask(terms, prompt(stop=["x", "y"])).stop == ("x", "y", "\nUser:")
    assert ask(terms, prompt()).body["stop"] == ["\nUser:", "x"]


FACTS = ModelFacts("safetensors", "llama", 1, 32, 64, 128, None, None, (), 0, None, None, layout_checked=True)


def test_a_contract_narrows_and_never_widens() -> None:
    assert derive_contract(FACTS, 100) == TextContract(64, 128, 100)
    narrow = derive_contract(FACTS, 100, terms_of(vocabulary=32, context_tokens=16))
    assert (narrow.token_ids, narrow.context_tokens, narrow.most_tokens) == (32, 16, 100)
    wide = derive_contract(FACTS, 100, terms_of(vocabulary=1000, context_tokens=1000))
    assert (wide.token_ids, wide.context_tokens, wide.most_tokens) == (64, 128, 100)


# --- only ever narrower ----------------------------------------------------------------------------------------------

OPTIONS_ASKED = {
    "temperature": st.floats(-1, 101),
    "top_k": st.integers(-1, 70),
    "seed": st.integers(-1, 9),
    "n": st.integers(0, 18),
    "max_tokens": st.integers(0, 130),
    "stop": st.lists(st.sampled_from(["a", "b", "\nUser:", "c"]), max_size=5),
    "logit_bias": st.dictionaries(st.sampled_from(["0", "3", "64"]), st.floats(-2, 2), max_size=3),
    "ignore_eos": st.booleans(),
    "tools": st.lists(st.just({"name": "f"}), max_size=6),
    "nothing": st.just(1),
}
ASKED = st.one_of(
    st.fixed_dictionaries({"prompt": st.text(max_size=12)}, optional=OPTIONS_ASKED),
    st.fixed_dictionaries({"prompt": st.lists(st.integers(0, 70), max_size=110)}, optional=OPTIONS_ASKED),
    st.fixed_dictionaries(
        {"messages": st.lists(st.sampled_from([*HELLO, {"role": "tool", "content": "\u200b\x07"}]), max_size=10)},
        optional=OPTIONS_ASKED,
    ),
)
FULL_TERMS = parse_language_contract(contract_file(FULL))


@given(ASKED)
def test_what_a_contract_lets_through_the_house_lets_through(fields: dict[str, Any]) -> None:
    try:
        checked = ask(FULL_TERMS, fields)
    except ContractRefused:
        return
    without = ask(HOUSE_TERMS, fields)
    assert checked.most_tokens <= min(40, without.most_tokens)
    assert set(without.stop) <= set(checked.stop)
    assert checked.choices <= 2


def rule_of(request: ParsedRequest, contract: TextContract) -> str | None:
    try:
        check_request(request, contract)
    except ContractRefused as refusal:
        return refusal.rule
    return None


@pytest.mark.parametrize(
    "terms",
    [
        HOUSE_TERMS,
        derive_terms(64, 128),
        FULL_TERMS,
        terms_of(inputs=[IDS]),
        terms_of(inputs=[EMBEDDED], dims={"choices": {"max": 2}}, parameters={}),
        terms_of(inputs=[{**EMBEDDED_IDS, "range": [3, 9]}], dims={"tokens": {"min": 2}}),
        terms_of(inputs=[EMBEDDED, IDS], outputs=[{**TEXT, "max_tokens": 5}]),
        terms_of(
            inputs=[{**MESSAGES, "max_characters": 2, "roles": ["tool"]}], dims={"messages": {"min": 2, "max": 3}}
        ),
        terms_of(inputs=[{**PROMPT, "max_characters": 1}], parameters={}),
        terms_of(text={"normalization": {"form": "NFKD", "action": "refuse"}}),
    ],
    ids=[
        "house",
        "derived",
        "full",
        "ids",
        "vectors",
        "vector-ids",
        "vectors-and-ids",
        "narrow-chat",
        "narrow-prompt",
        "nfkd",
    ],
)
def test_generated_samples_meet_the_contract_they_were_made_of(terms: LanguageTerms) -> None:
    contract = TextContract(64, 128, 100, terms)
    rules = set()
    for sample in make_samples(contract):
        if sample.asks_engine:
            continue
        rules.add(sample.rule)
        assert rule_of(sample.request, contract) == sample.rule, sample.name
    assert None in rules
    assert len(rules) > 2
