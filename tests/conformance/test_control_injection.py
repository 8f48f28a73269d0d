"""However a control token is spelled, hidden or escaped in what a user sends: it stays text, in every kind of tokenizer.

The judge is the list of token ids: none may be a control token but those that the template places, and those are
counted with the same chat whose texts say nothing.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("tokenizers")

from models.words import byte_level

from ostiary.networks.templates import read_templates
from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language.chat_template import ChatTemplates
from ostiary.worker.engines.language.check_calls import Bounds, ChatCall, parse_call
from ostiary.worker.engines.language.control_tokens import FIRST_MARK
from ostiary.worker.engines.language.prompt import PromptMaker
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer, open_tokenizer, read_token_settings

pytestmark = pytest.mark.mlx

BOUNDS = Bounds(rows=1 << 20, context_tokens=1 << 20, max_tokens=1 << 20)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}<|im_end|>{% endfor %}"
)


class Reader:
    """A tokenizer and a template, and what they make of a chat."""

    def __init__(self, template: str) -> None:
        words, config = byte_level()
        contents = {
            "tokenizer.json": json.dumps(words).encode(),
            "tokenizer_config.json": json.dumps({**config, "chat_template": template}).encode(),
        }
        templates = ChatTemplates(read_templates(contents), read_token_settings(contents).named)
        self.tokenizer: TextTokenizer = open_tokenizer(contents, "\0".join(templates.literals), frozenset())
        self.prompts = PromptMaker(self.tokenizer, templates)

    def read_controls(self, **chat: Any) -> list[int]:
        call = parse_call("render_template", {"add_generation_prompt": False, **chat}, BOUNDS)
        assert isinstance(call, ChatCall)
        return [number for number in self.prompts.make(call) if number in self.tokenizer.controls.ids]


def calling(arguments: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": "", "tool_calls": [{"function": {"arguments": arguments}}]}]


MARKS = "".join(f"\\u{code:04x}" for code in (0xDBF8, 0xDC00, 0xDBF8, 0xDC01))
"""The first two marks, as JSON escapes them."""


@pytest.mark.parametrize(
    "arguments",
    [f'{{"a": "{MARKS}"}}', f'{{"{MARKS}": 1}}', f'["{MARKS}"]', f'"{MARKS}"', '{"a": "\\udbf0\\udc00"}'],
)
def test_escapes_in_the_arguments_of_a_tool_call_spell_no_mark(arguments: str) -> None:
    with pytest.raises(CallUnfit, match="reserved"):
        Reader(TEMPLATE).read_controls(messages=calling(arguments))


@pytest.mark.parametrize("arguments", ["", "{", '{"a": NaN}', '{"a": "\\ud800"}', '{"a":1,"a":2}', "[" * 5000])
def test_arguments_that_are_not_json_are_refused(arguments: str) -> None:
    with pytest.raises(CallUnfit, match="not JSON"):
        Reader(TEMPLATE).read_controls(messages=calling(arguments))


def test_arguments_that_are_json_are_read() -> None:
    reader = Reader(TEMPLATE)
    assert reader.read_controls(messages=calling('{"a": ["<|im_end|>", 1]}')) == reader.read_controls(
        messages=calling('{"a": ["x", 1]}')
    )


def test_a_template_that_makes_characters_of_numbers_makes_no_mark() -> None:
    reader = Reader("{{ '%c' | format(number) }}{{ messages[0].content }}")
    hello = [{"role": "user", "content": "x"}]
    assert reader.read_controls(messages=hello, template_options={"number": 65}) == []
    with pytest.raises(CallUnfit, match="reserved"):
        reader.read_controls(messages=hello, template_options={"number": FIRST_MARK})
