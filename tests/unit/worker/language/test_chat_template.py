"""Templates: which one is taken, what it is given, and what it may not do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ostiary.networks.templates import read_templates
from ostiary.worker.engines.contract import CallUnfit, ModelUnfit
from ostiary.worker.engines.language.chat_template import Chat, ChatTemplates

HELLO = [{"role": "user", "content": "hello"}]


def render(source: str, messages: Any = HELLO, **more: Any) -> str:
    return ChatTemplates({"default": source}, {"bos_token": "<s>"}).render(Chat(messages, **more))


def test_templates_are_found_in_their_places() -> None:
    config = json.dumps({"chat_template": "config"}).encode()
    named = json.dumps({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "x"}, 3]}).encode()
    assert read_templates({"tokenizer_config.json": config}) == {"default": "config"}
    assert read_templates({"tokenizer_config.json": named}) == {"tool_use": "t"}
    files = {
        "tokenizer_config.json": config,
        "chat_template.jinja": b"file",
        "additional_chat_templates/rag.jinja": b"rag",
    }
    assert read_templates(files) == {"default": "file", "rag": "rag"}
    assert read_templates({}) == {}


@pytest.mark.parametrize("source", [b"\xff", b"{% for %}"])
def test_a_template_that_cannot_be_read_is_told_while_loading(source: bytes) -> None:
    with pytest.raises(ModelUnfit, match="chat template"):
        ChatTemplates(read_templates({"chat_template.jinja": source}), {})


def test_tools_take_the_template_for_tools() -> None:
    templates = ChatTemplates({"default": "plain", "tool_use": "{{ tools | length }}"}, {})
    assert templates.render(Chat(HELLO)) == "plain"
    assert templates.render(Chat(HELLO, tools=[{}, {}])) == "2"


def test_without_a_template_a_chat_does_not_fit() -> None:
    with pytest.raises(CallUnfit, match="no chat template"):
        ChatTemplates({"rag": "x"}, {}).render(Chat(HELLO))


def test_what_a_template_is_given() -> None:
    source = (
        "{{ bos_token }}{{ add_generation_prompt }}{{ tools is none }}{{ documents is none }}{{ enable_thinking }}"
    )
    assert render(source, options={"enable_thinking": False}) == "<s>TrueTrueTrueFalse"


def test_options_are_the_names_that_nobody_gives() -> None:
    source = "{% set a = 1 %}{{ a }}{{ enable_thinking }}{{ messages }}{{ bos_token }}{{ range(1) }}{{ tools }}"
    templates = ChatTemplates({"default": source}, {"bos_token": "<s>"})
    assert templates.find_options(with_tools=False) == {"enable_thinking"}


@pytest.mark.parametrize(
    ("source", "content", "text"),
    [
        ("<u>{{ messages[0].content }}</u>", "hi", "<u>hi"),
        ("<u>{{ messages[0].content | trim }}</u>", "hi ", "<u>hi"),
        ("{{ messages[0].content }}", "  hi", "  hi"),
    ],
)
def test_a_final_message_is_continued(source: str, content: str, text: str) -> None:
    messages = [{"role": "assistant", "content": content}]
    assert render(source, messages, continue_final_message=True, add_generation_prompt=False) == text


@pytest.mark.parametrize("source", ["{{ 'nothing of it' }}", "{{ messages[0].content | upper }}"])
def test_a_final_message_that_is_not_shown_cannot_be_continued(source: str) -> None:
    with pytest.raises(CallUnfit, match="continued"):
        render(source, continue_final_message=True)


def test_a_template_says_no_in_its_own_words_but_not_in_anybody_elses() -> None:
    with pytest.raises(CallUnfit, match=r"messages: roles must alternate$"):
        render("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(CallUnfit, match=r"messages$"):
        render("{{ raise_exception('no: ' ~ messages[0].content) }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[0].nothing.at_all }}",
        "{{ 1 // 0 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ namespace(_x=1) }}",
        "{{ (1).bit_length('x') }}",
        "{{ 'x'.encode('nothing') }}",
        "{% include 'x' %}",
        "{{ nothing() }}",
        "{{ strftime_now(3) }}",
        "{{ ('%' * 3) % 1 }}",
        "{{ messages | tojson(indent='x' * 3, separators=3) }}",
    ],
)
def test_failures_are_told_without_what_failed(source: str) -> None:
    with pytest.raises(CallUnfit) as refused:
        render(source)
    assert "hello" not in str(refused.value)
    assert "chat template" in str(refused.value)


@pytest.mark.parametrize(
    "source", ["{{ messages['x'] }}", "{{ [][5] }}", "{{ dict.__init__ }}", "{{ ''.__class__ }}"]
)
def test_what_is_not_there_is_nothing(source: str) -> None:
    assert render(source) == ""


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% if false %}x{% endif %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = x.s ~ x.s %}{% endfor %}",
        "{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = x.s + x.s %}{% endfor %}",
        "{% set x = namespace(s=[1, 2]) %}{% for a in range(99) %}{% set x.s = x.s + x.s %}{% endfor %}",
        "{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = [x.s, x.s] | join %}{% endfor %}",
        "{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = '%s%s' % (x.s, x.s) %}{% endfor %}",
        "{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = x.s.replace('ab', 'abab') %}{% endfor %}",
        "{% set x = namespace(s='ab') %}{% for a in range(99) %}{% set x.s = '{0}{0}'.format(x.s) %}{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ 999999999 * 'x' }}",
        "{{ [1] * 999999999 }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ 'x' | center(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ '{:>{w}}'.format(1, w=999999999) }}",
        "{{ 'a\nb' | indent(999999999) }}",
        "{{ ('a' * 9999).replace('a', 'b' * 9999) }}",
        "{{ ('b' * 9999).join('a' * 9999) }}",
        "{{ ('a' * 9999) | list | join('b' * 9999) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ 10 ** 1000 * 10 ** 1000 }}",
        "{% for a in range(5000) %}{{ 'x' * 9999 }}{% endfor %}",
        "{{ messages | tojson(indent=999999999) }}",
        "{{ 'a b' | wordwrap(999999999) }}",
        "{% for a in [1] | batch(999999999, 1) %}{% endfor %}",
    ],
)
def test_work_without_end_is_ended(source: str) -> None:
    with pytest.raises(CallUnfit, match=r"chat template|the template"):
        render(source)


def test_the_count_begins_anew_for_each_chat() -> None:
    templates = ChatTemplates({"default": "{% for a in range(90000) %}{% endfor %}ok"}, {})
    for _ in range(12):
        assert templates.render(Chat(HELLO)) == "ok"
