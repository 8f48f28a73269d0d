"""Answers of a network that are held to a form, in the company of others that are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")
pytest.importorskip("llguidance")

from jsonschema import Draft202012Validator
from models.talk import LIMITS, Heard, Talk
from models.tiny import TinyModel, feed, make_model
from models.words import byte_level, metaspace

from ostiary.answer.said import CallBroken
from ostiary.answer.split import begin_splitting
from ostiary.core.requests import ToolCall
from ostiary.core.tool_styles import ToolStyle
from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language import prepare_engine

pytestmark = pytest.mark.mlx

HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "ages": {"type": "array", "items": {"enum": [1, 2, 30]}, "maxItems": 2},
    },
    "required": ["name", "ages"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "schema": SCHEMA}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "parameters": {
                "type": "object",
                "properties": {"at": {"enum": ["sky", "sea"]}},
                "required": ["at"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "wait",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    },
]
TEMPLATES = {
    ToolStyle.HERMES: "<tool_call>",
    ToolStyle.QWEN_CODER: "<tool_call><function=",
    ToolStyle.GLM: "<tool_call><arg_key>",
    ToolStyle.MISTRAL: "[TOOL_CALLS]",
    ToolStyle.KIMI: "<|tool_calls_section_begin|>",
    ToolStyle.PYTHONIC: "<|tool_call_start|>",
    ToolStyle.MINIMAX: "<minimax:tool_call>",
    ToolStyle.LONGCAT: "<longcat_tool_call>",
    ToolStyle.MINICPM: '<function name="',
    ToolStyle.MUSE: "<atem:function_calls>",
    ToolStyle.GEMMA: "<start_function_call>",
    ToolStyle.GEMMA_4: "<|tool_call>",
    ToolStyle.DEEPSEEK: "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    ToolStyle.SEED: "<seed:tool_call>",
    ToolStyle.HARMONY: "<|channel|>commentary",
    ToolStyle.JSON: "",
}


def words_with(template: str) -> tuple[dict[str, Any], dict[str, Any]]:
    words, config = byte_level()
    shown = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
    return words, {
        **config,
        "chat_template": shown + f"{{# {template} #}}{{{{ '{template}' if false }}}}" + config["chat_template"],
    }


def open_talk(model: TinyModel) -> Talk:
    engine = prepare_engine({"chunk_tokens": 32, "arithmetic": "plain", "architectures": ["llama"]})(LIMITS)
    feed(engine, model)
    return Talk(engine)


@pytest.fixture(scope="module")
def talk() -> Talk:
    return open_talk(make_model("llama", tokenizer=words_with("<tool_call>")))


def check(heard: Heard, choice: int = 0, schema: Any = SCHEMA) -> None:
    assert heard.error is None
    assert heard.result is not None
    assert heard.result["choices"][choice]["finish"] == "stop"
    Draft202012Validator(schema).validate(json.loads(heard.text(choice)))


@pytest.mark.parametrize("temperature", [0, 1])
def test_every_answer_of_a_call_validates(talk: Talk, temperature: float) -> None:
    heard = talk.ask("generate", prompt="hello", response_format=FORM, temperature=temperature, seed=7, n=3)
    for choice in range(3):
        check(heard, choice)
    assert temperature == 0 or len({heard.text(choice) for choice in range(3)}) > 1


def test_an_answer_is_the_same_in_company_and_its_company_too(talk: Talk) -> None:
    held = {"prompt": "hello", "response_format": FORM, "temperature": 1, "seed": 3, "repetition_penalty": 1.2}
    free = {"prompt": [40, 41], "temperature": 1, "seed": 4, "max_tokens": 30}
    alone = [talk.ask("generate", **body).tokens() for body in (held, free)]
    assert [heard.tokens() for heard in talk.ask_all([held, free, held])] == [*alone, alone[0]]


def test_log_probabilities_are_those_of_what_fits(talk: Talk) -> None:
    heard = talk.ask(
        "generate", prompt="hello", response_format={"type": "json_schema", "schema": {"const": True}}, logprobs=2
    )
    assert heard.text() == "true"
    for piece in heard.pieces:
        (told,) = piece["logprobs"]
        assert told["logprob"] == pytest.approx(0, abs=1e-4)  # nothing else fits


def test_what_was_cut_is_said_to_be_cut(talk: Talk) -> None:
    heard = talk.ask("generate", prompt="hello", response_format=FORM, max_tokens=3)
    assert heard.result is not None
    assert heard.result["choices"][0] == {"choice": 0, "finish": "length", "stop": None, "tokens": 3}
    whole = talk.ask(
        "generate", prompt="hello", response_format={"type": "json_schema", "schema": {"const": 10}}, max_tokens=2
    )
    assert whole.result is not None
    assert whole.result["choices"][0]["finish"] == "stop"  # its last token was its last


def test_a_stop_text_ends_it_as_any_other(talk: Talk) -> None:
    heard = talk.ask("generate", prompt="hello", response_format=FORM, stop=['"name"'])
    assert heard.result is not None
    assert heard.result["choices"][0]["stop"] == '"name"'


def test_any_object(talk: Talk) -> None:
    heard = talk.ask("chat", messages=HELLO, response_format={"type": "json_object"}, temperature=1, seed=1)
    if heard.result is not None and heard.result["choices"][0]["finish"] == "stop":
        assert isinstance(json.loads(heard.text()), dict)


def test_with_a_tokenizer_that_writes_spaces_before_words() -> None:
    talk = open_talk(make_model("llama", tokenizer=metaspace(), changes={"vocab_size": 400}))
    check(talk.ask("chat", messages=HELLO, response_format=FORM))
    check(talk.ask("generate", prompt="hello", response_format=FORM, temperature=1, seed=2))


def test_what_cannot_be_kept_to_fails_its_own_call_only(talk: Talk) -> None:
    bad = {
        "prompt": "a",
        "response_format": {"type": "json_schema", "schema": {"type": "string", "pattern": "a(?=b)"}},
    }
    good, failed = {"prompt": "hello", "response_format": FORM}, "a pattern cannot be read"
    first, second, third = talk.ask_all([good, bad, good])
    check(first)
    check(third)
    assert second.error is not None
    assert failed in second.error["sentence"]
    assert "(?=" not in second.error["sentence"]


def test_a_vocabulary_that_cannot_write_it_fails_the_call() -> None:
    words, config = byte_level()
    vocabulary = words["model"]["vocab"]
    renamed = {(f"zz{number}" if number == ord("{") else word): number for word, number in vocabulary.items()}
    words["model"]["vocab"] = renamed
    talk = open_talk(make_model("llama", tokenizer=(words, config)))
    heard = talk.ask("generate", prompt="hello", response_format=FORM)
    assert heard.error is not None
    assert "vocabulary" in heard.error["sentence"]
    assert talk.ask("generate", prompt="hello", max_tokens=2).error is None


def test_an_unknown_keyword_and_a_contradiction_are_refused(talk: Talk) -> None:
    with pytest.raises(CallUnfit, match=r"response_format\.schema\.not"):
        talk.submit("generate", {"prompt": "a", "response_format": {"type": "json_schema", "schema": {"not": {}}}})
    with pytest.raises(CallUnfit, match="ignore_eos"):
        talk.submit("generate", {"prompt": "a", "response_format": FORM, "ignore_eos": True})


# --- tools ------------------------------------------------------------------------------------------------------------


def split(style: ToolStyle, text: str) -> list[ToolCall]:
    splitter = begin_splitting(style, TOOLS, None)  # type: ignore[arg-type]
    said = [*splitter.feed(text), *splitter.finish()]
    assert not [item for item in said if isinstance(item, str | CallBroken)], said
    return [item for item in said if isinstance(item, ToolCall)]


@pytest.mark.parametrize("style", list(ToolStyle))
def test_a_call_that_must_be_made_is_made_in_the_manner_of_the_template(style: ToolStyle) -> None:
    model = make_model("llama", tokenizer=words_with(TEMPLATES[style]))
    engine = prepare_engine({"arithmetic": "plain", "architectures": ["llama"]})(LIMITS)
    assert feed(engine, model)["tool_style"] == style
    talk = Talk(engine)
    for choice in ("required", {"name": "look"}):
        heard = talk.ask(
            "chat",
            messages=HELLO,
            tools=TOOLS,
            tool_choice=choice,
            parallel_tool_calls=False,
            temperature=1,
            seed=5,
        )
        assert heard.error is None
        (call,) = split(style, heard.text())
        assert call.name == "wait" or json.loads(call.arguments)["at"] in ("sky", "sea")
        assert choice == "required" or call.name == "look"


def test_strict_tools_are_held_to_their_schema_where_the_model_chooses_to_call(talk: Talk) -> None:
    tools = [{"type": "function", "function": {**TOOLS[0]["function"], "strict": True}}]  # type: ignore[dict-item]
    ask = {"messages": [*HELLO, {"role": "assistant", "content": "<tool_call>"}], "tools": tools}
    bias = {str(261): 100}  # the marker is one token of this vocabulary: what it begins has to be a call
    heard = talk.ask("chat", **{**ask, "messages": HELLO}, logit_bias=bias, max_tokens=60)
    assert heard.error is None
    assert heard.text().startswith("<tool_call>\n{")
    assert split(ToolStyle.HERMES, heard.text()[: heard.text().index("</tool_call>") + 12])[0].name == "look"


def test_no_tool_may_be_called_where_none_is_wanted(talk: Talk) -> None:
    plain = talk.ask("render_template", messages=HELLO)
    assert plain.result is not None
    assert talk.ask("render_template", messages=HELLO, tools=TOOLS, tool_choice="none").result == plain.result
    shown = talk.ask("render_template", messages=HELLO, tools=TOOLS)
    assert shown.result is not None
    assert '"look"' in shown.result["text"]


def test_strictness_is_not_shown_to_the_model(talk: Talk) -> None:
    tools = [{"type": "function", "function": {"name": "wait", "strict": True}}]
    heard = talk.ask("render_template", messages=HELLO, tools=tools)
    assert heard.result is not None
    assert "strict" not in heard.result["text"]


def test_a_template_without_a_place_for_tools_says_so() -> None:
    talk = open_talk(make_model("llama"))
    heard = talk.ask("chat", messages=HELLO, tools=TOOLS)
    assert heard.error is not None
    assert "no place for tools" in heard.error["sentence"]
