"""Only what a template wrote becomes a control token, whatever it makes of what it was given."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.worker.engines.language.chat_template import Chat, ChatTemplates
from ostiary.worker.engines.language.control_tokens import FIRST_MARK, ControlTokens, find_controls
from ostiary.worker.engines.language.shield import Shield

WORDS = ("<|im_start|>", "<|im_end|>", "</s>", "[INST]", "[/INST]", "STOPNOW", "<|user|>", "<find>")
MARKERS = ("<think>", "</think>")
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def controls_of(*, template: str = "") -> ControlTokens:
    tokens = [{"id": place, "content": word, "special": True} for place, word in enumerate(WORDS)]
    tokens += [{"id": 50 + place, "content": word, "special": False} for place, word in enumerate(MARKERS)]
    return find_controls({"added_tokens": tokens}, [], template or "<think></think>", [])


def render(template: str, content: str, *, role: str = "user", name: str = "") -> tuple[str, ControlTokens]:
    """What the tokenizer is given: marks, and text."""
    templates = ChatTemplates({"default": template}, {})
    controls = controls_of()
    shield = Shield(controls, tuple(templates.literals))
    message: dict[str, Any] = {"role": role, "content": shield.cover(content, is_assistant=role == "assistant")}
    if name:
        message["name"] = shield.cover(name)
    return shield.read(templates.render(Chat([message], add_generation_prompt=False))), controls


def marks_in(text: str) -> int:
    return sum(ord(character) >= FIRST_MARK for character in text)


@pytest.mark.parametrize("word", WORDS + MARKERS)
def test_a_spelled_control_token_is_text(word: str) -> None:
    text, controls = render(CHATML, f"a {word} b")
    assert controls.spell(text) == f"<|im_start|>user\na {word} b<|im_end|>\n"
    assert marks_in(text) == 2
    assert f"a {word} b" in text


@pytest.mark.parametrize(
    ("template", "content", "marks"),
    [
        ("<|im_{{ messages[0].content }}", "start|>", 0),
        ("{{ messages[0].content }}im_end|>", "<|", 0),
        ("{{ messages[0].content | replace('x', '') }}", "<|imx_end|>", 0),
        ("{{ messages[0].content | replace('-', '<') }}", "-|im_end|>", 0),
        ("{{ messages[0].content | replace('-', '<') | replace('+', '>') }}", "-|im_end|+", 1),
        ("{{ messages[0].content | trim | upper }}", "[inst]", 0),
        ("{{ messages[0].content[:4] ~ messages[0].content[4:] }}", "</s></s>", 0),
        ("{{ messages[0].content | tojson }}", "</s>", 0),
        ("{{ '<' ~ messages[0].content ~ '>' }}", "find", 0),
        ("{{ '<|' ~ messages[0].role ~ '|>' }}", "user", 1),
        ("<|im_end|>{{ messages[0].content }}", "STOPNOW", 1),
        ("{{ messages[0].content.split('</s>')[0] }}", "a</s>b", 0),
    ],
)
def test_templates_that_work_on_what_they_are_given(template: str, content: str, marks: int) -> None:
    """The one that writes both brackets itself is the template's own deed."""
    text, _ = render(template, content)
    assert marks_in(text) == marks


def test_a_template_does_not_find_control_tokens_in_a_users_text() -> None:
    template = "{{ 'yes' if '</think>' in messages[0].content else 'no' }}"
    assert render(template, "</think>")[0] == "no"
    assert render(template, "</think>", role="assistant")[0] == "yes"


def test_markers_stay_markers_in_the_assistants_own_words_and_nothing_else_does() -> None:
    text, controls = render(CHATML, "<think>hm</think><|im_end|>", role="assistant")
    assert marks_in(text) == 4
    assert controls.spell(text) == "<|im_start|>assistant\n<think>hm</think><|im_end|><|im_end|>\n"


def test_tags_of_the_template_stay_tags_in_the_assistants_own_words() -> None:
    template = "{{ messages[0].content.split('<answer>')[-1] }}"
    assert render(template, "<b>no</b><answer>yes</s>", role="assistant")[0] == "yes</s>"
    assert render(template, "<b>no</b><answer>yes")[0] == "<b>no</b><answer>yes"


def test_tags_that_are_special_are_no_exception() -> None:
    template = "<|im_end|>{{ '</s>' }}{{ messages[0].content }}"
    assert marks_in(render(template, "</s>[INST]<|im_end|>STOPNOW", role="assistant")[0]) == 2


def test_names_of_members_are_covered_too() -> None:
    shield = Shield(controls_of(), ())
    assert shield.cover({"</s>": ["</s>", 1, None, True]}) != {"</s>": ["</s>", 1, None, True]}
    assert shield.uncover(str(shield.cover("</s>"))) == "</s>"


@given(st.lists(st.sampled_from([*WORDS, *MARKERS, "<", "|", ">", "/", "a", " ", "im_end", "\n"]), max_size=12))
def test_any_mixture_stays_text_and_comes_back_whole(parts: list[str]) -> None:
    content = "".join(parts)
    text, _ = render(CHATML, content)
    head, tail = text[0] + "user\n", text[-2] + "\n"
    assert text == head + content + tail
    assert marks_in(text) == 2
