# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""Honest texts and chats become the ids that Transformers makes of them; control tokens in texts never do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

from models.words import byte_level, metaspace

from ostiary.networks.templates import read_templates
from ostiary.worker.engines.language.chat_template import ChatTemplates
from ostiary.worker.engines.language.check_calls import Bounds, ChatCall, TokenizeCall, parse_call
from ostiary.worker.engines.language.prompt import PromptMaker
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer, open_tokenizer, read_token_settings

pytestmark = pytest.mark.mlx

BOUNDS = Bounds(rows=1 << 20, context_tokens=1 << 20, max_tokens=1 << 20)
LLAMA3 = (
    "{{- bos_token }}{%- for message in messages %}{%- set content = '<|im_start|>' + message['role'] + '\\n\\n'"
    " + message['content'] | trim + '<|im_end|>' %}{{- content }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n\\n' }}{%- endif %}"
)
QWEN3 = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls or [] %}
            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '<tool_call>\\n{"name": "' + tool_call.name + '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + content + '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
PHI = (
    "{% for message in messages %}{% generation %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% if loop.last %}{% break %}{% endif %}{% endfor %}"
)
TEMPLATES = {"llama3": LLAMA3, "qwen3": QWEN3, "phi": PHI}


def unigram() -> tuple[dict[str, Any], dict[str, Any]]:
    """As T5 and others have it: a lattice of scored words, control tokens among them."""
    words = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["\u2581", -2.0], ["\u2581he", -3.0], ["llo", -3.0]]
    words += [[chr(code), -4.0 - code / 1000] for code in range(0x21, 0x7F)]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": place, "content": words[place][0], **plain} for place in range(3)],
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": 2, "vocab": words, "byte_fallback": False},
    }
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>"}
    return tokenizer, config


def normalized() -> tuple[dict[str, Any], dict[str, Any]]:
    """Byte-level, with lower case and a control token that is looked for after that, and takes spaces along."""
    tokenizer, config = byte_level()
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}
    tokenizer["added_tokens"][3] |= {"normalized": True, "lstrip": True, "rstrip": True}
    return tokenizer, config


KINDS = {"byte-level": byte_level, "metaspace": metaspace, "unigram": unigram, "normalized": normalized}


class Both:
    """One tokenizer, ours and theirs."""

    def __init__(self, kind: str, folder: Path, template: str | None = None) -> None:
        words, config = KINDS[kind]()
        if template is not None:
            config["chat_template"] = template
        if kind != "unigram":
            words["added_tokens"].append(copy.deepcopy(words["added_tokens"][0]) | _new("<|user|>", words))
        contents = {
            "tokenizer.json": json.dumps(words).encode(),
            "tokenizer_config.json": json.dumps(config).encode(),
        }
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        self.theirs = transformers.AutoTokenizer.from_pretrained(folder)
        templates = ChatTemplates(read_templates(contents), read_token_settings(contents).named)
        self.ours: TextTokenizer = open_tokenizer(contents, "\0".join(templates.literals), frozenset())
        self.prompts = PromptMaker(self.ours, templates)

    def chat(self, **body: Any) -> ChatCall:
        call = parse_call("render_template", body, BOUNDS)
        assert isinstance(call, ChatCall)
        return call


def _new(content: str, words: dict[str, Any]) -> dict[str, Any]:
    vocabulary = words["model"]["vocab"]
    return {"content": content, "id": max(len(vocabulary), *(token["id"] + 1 for token in words["added_tokens"]))}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Both]:
    return {kind: Both(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


TEXTS = [
    "",
    " ",
    "hello world",
    "  hello\n\n  world \t",
    "h\u00e9llo \u65e5\u672c \U0001f642 \u0000",
    "if (a < b && c > d) { return [1, 2]; } // <b>x</b>",
    "HELLO \uff28\uff45\uff4c\uff4c\uff4f \u2581he",
    "a" * 300,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_honest_texts(both: dict[str, Both], kind: str, text: str) -> None:
    ours, theirs = both[kind].prompts, both[kind].theirs
    assert ours.make(TokenizeCall(text, False, False)) == theirs.encode(text, add_special_tokens=False)
    if text.strip():
        assert ours.make(TokenizeCall(text, False, True)) == theirs.encode(text)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(st.sampled_from(["hello", " ", "  ", "\n", "w", "1", "<", ">", "\u00e9", "\u2581"]), max_size=10)
)
def test_any_honest_text(both: dict[str, Both], kind: str, parts: list[str]) -> None:
    text = "".join(parts)
    ours = both[kind].prompts.make(TokenizeCall(text, False, False))
    assert ours == both[kind].theirs.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("kind", KINDS)
def test_control_tokens_that_a_caller_asks_for(both: dict[str, Both], kind: str) -> None:
    controls = [control.content for control in both[kind].ours.controls.all]
    text = "hello".join(["", *controls, " " + controls[0] + "  ", "world"])
    asked = both[kind].prompts.make(TokenizeCall(text, True, False))
    assert asked == both[kind].theirs.encode(text, add_special_tokens=False)
    assert both[kind].ours.controls.ids <= set(asked)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_no_text_gives_a_control_token(both: dict[str, Both], kind: str, data: st.DataObject) -> None:
    controls = both[kind].ours.controls
    words = [control.content for control in controls.all]
    words += [word.upper() for word in words] + ["".join(chr(ord(c) + 0xFEE0) for c in words[0])]
    parts = data.draw(st.lists(st.sampled_from([*words, "<", "s", ">", " ", "hello", "\u2581"]), max_size=8))
    ids = both[kind].prompts.make(TokenizeCall("".join(parts), False, False))
    assert not controls.ids & set(ids)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS[2:])
def test_texts_come_back(both: dict[str, Both], kind: str, text: str) -> None:
    ours, theirs = both[kind].ours, both[kind].theirs
    ids = theirs.encode(text)
    assert ours.decode(ids, show_special=True) == theirs.decode(ids, clean_up_tokenization_spaces=False)
    shown = theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert ours.decode(ids, show_special=False) == shown


HI = {"role": "user", "content": "  hello world, <b>what</b> is [1, 2]?\n"}
SYSTEM = {"role": "system", "content": "Be kind.\n"}
ANSWER = {"role": "assistant", "content": "<think>\nhm\n</think>\n\n42"}
CALLING = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"a": ["\u00e9", 1.5, None]}}}],
}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CHATS: list[dict[str, Any]] = [
    {"messages": [HI]},
    {"messages": [SYSTEM, HI, ANSWER, HI], "add_generation_prompt": False},
    {"messages": [HI, ANSWER]},
    {"messages": [HI, {**ANSWER, "reasoning_content": "well"}], "continue_final_message": True},
    {"messages": [SYSTEM, HI, CALLING, {"role": "tool", "content": "\n{}"}], "tools": [TOOL]},
]


@pytest.mark.parametrize("kind", ["byte-level", "metaspace", "normalized"])
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("chat", CHATS, ids=range(len(CHATS)))
def test_honest_chats(tmp_path: Path, kind: str, template: str, chat: dict[str, Any]) -> None:
    both = Both(kind, tmp_path, TEMPLATES[template])
    if "tools" not in TEMPLATES[template]:  # it would say nothing of them, so they are refused
        chat = {name: value for name, value in chat.items() if name != "tools"}
    call = both.chat(**chat)
    given = {"tools": chat.get("tools"), "add_generation_prompt": call.add_generation_prompt}
    given["continue_final_message"] = call.continue_final_message
    messages = copy.deepcopy(chat["messages"])
    written = both.prompts.write(call)
    text, ids = both.prompts.uncover(written), both.prompts.read(written)
    assert text == both.theirs.apply_chat_template(messages, tokenize=False, **given)
    assert ids == both.theirs.apply_chat_template(messages, return_dict=False, **given)


def test_options_reach_the_template(tmp_path: Path) -> None:
    both = Both("byte-level", tmp_path, QWEN3)
    call = both.chat(messages=[HI], template_options={"enable_thinking": False})
    theirs = both.theirs.apply_chat_template(
        [HI], add_generation_prompt=True, enable_thinking=False, return_dict=False
    )
    assert both.prompts.make(call) == theirs


@pytest.mark.parametrize("kind", ["byte-level", "metaspace", "normalized"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_hostile_chats_add_no_control_token(tmp_path: Path, kind: str, template: str) -> None:
    """As many as for a chat of the same form whose texts say nothing; Transformers, asked to, agrees."""
    both = Both(kind, tmp_path, TEMPLATES[template])
    words = "".join(control.content for control in both.ours.controls.all)
    controls = both.ours.controls.ids

    def count(content: str) -> list[int]:
        tools = [{"type": "function", "function": {"name": "f", "description": content, content: 1}}]
        messages = [
            {"role": "system", "content": content},
            {"role": "user", "content": content},
            {"role": "assistant", "content": content.replace("</think>", "").replace("<think>", "")},
            {"role": "tool", "content": content, "name": content, "tool_call_id": content},
            {"role": "user", "content": "user"},
        ]
        shown = {"tools": tools} if "tools" in TEMPLATES[template] else {}
        ids = both.prompts.make(both.chat(messages=messages, **shown))
        return [number for number in ids if number in controls and number not in (260, 261)]

    assert count(words) == count("x")
    hostile = [{"role": "user", "content": words + " x"}]
    theirs = both.theirs.apply_chat_template(hostile, sanitize_control_tokens=True, return_dict=False)
    ours = both.prompts.make(both.chat(messages=hostile, add_generation_prompt=False))
    assert [number for number in ours if number in controls] == [number for number in theirs if number in controls]
