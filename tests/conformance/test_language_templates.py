# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""Templates as they are published: chats become what Transformers makes of them, and words in messages stay words."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

from jinja2 import TemplateError
from models.words import byte_level

from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language.chat_template import ChatTemplates
from ostiary.worker.engines.language.check_calls import Bounds, ChatCall, parse_call
from ostiary.worker.engines.language.prompt import PromptMaker
from ostiary.worker.engines.language.text_tokenizer import open_tokenizer

pytestmark = pytest.mark.mlx

PUBLISHED = sorted((Path(__file__).parent.parent / "unit" / "intake" / "templates" / "published").glob("*.jinja"))
BOUNDS = Bounds(rows=1 << 20, context_tokens=1 << 20, max_tokens=1 << 20)
TAG = re.compile(r"<\|[^|<>\s]+\|>|<\uff5c[^<>]+?\uff5c>|<(?:start|end)_of_turn>|\[/?[A-Z_]+\]")
FIRST_TAG = 400
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks <something> up.",
        "parameters": {
            "type": "object",
            "properties": {
                "what": {"type": "string", "description": "A word."},
                "times": {"type": "integer", "enum": [1, 2]},
                "list": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["what"],
        },
    },
}
OLD_TOOL = {
    "name": "spell",
    "description": "Spells a word.",
    "parameter_definitions": {"what": {"type": "str", "description": "A word.", "required": True}},
}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"type": "function", "id": "abcdefghi", "function": {"name": "look_up", "arguments": {"what": "a <b>"}}}
    ],
}
FOUND = {"role": "tool", "content": '{"found": "\u00e9 [x]"}', "tool_call_id": "abcdefghi", "name": "look_up"}
USER = {"role": "user", "content": "  if (a < b) { return [1, 2]; }  // <b>x</b>\n"}
SYSTEM = {"role": "system", "content": "Be kind.\n\n"}
ANSWER = {"role": "assistant", "content": "<think>\nhm <x>\n</think>\n\n42 > 41"}
CHATS: list[dict[str, Any]] = [
    {"messages": [USER]},
    {"messages": [SYSTEM, USER, ANSWER, USER]},
    {"messages": [USER, ANSWER], "add_generation_prompt": False},
    {"messages": [SYSTEM, USER, {**ANSWER, "reasoning_content": "well"}, USER]},
    {"messages": [SYSTEM, USER], "tools": [TOOL]},
    {"messages": [USER, CALL, FOUND], "tools": [TOOL]},
    {"messages": [USER, USER]},
    {"messages": [SYSTEM, USER], "tools": [OLD_TOOL]},
    {"messages": [USER, ANSWER, USER], "tools": [OLD_TOOL]},
]


class Published:
    """A template with a tokenizer that has each of the tags it writes as a special token."""

    def __init__(self, path: Path, folder: Path) -> None:
        source = path.read_text(encoding="utf-8")
        words, config = byte_level()
        plain = words["added_tokens"][0]
        tags = sorted(set(TAG.findall(source)) - {token["content"] for token in words["added_tokens"]})
        ids = range(len(words["model"]["vocab"]), FIRST_TAG)
        words["model"]["vocab"] |= {f"unused {number}": number for number in ids}
        words["added_tokens"] += [
            {**plain, "content": tag, "id": FIRST_TAG + place} for place, tag in enumerate(tags)
        ]
        del config["chat_template"]
        contents = {
            "tokenizer.json": json.dumps(words).encode(),
            "tokenizer_config.json": json.dumps(config).encode(),
            "chat_template.jinja": source.encode(),
        }
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        self.theirs = transformers.AutoTokenizer.from_pretrained(folder)
        named = {"bos_token": "<|bos|>", "eos_token": "<|im_end|>"}
        templates = ChatTemplates({"default": source}, named)
        self.tokenizer = open_tokenizer(contents, "\0".join(templates.literals), frozenset())
        self.prompts = PromptMaker(self.tokenizer, templates)
        self.controls = self.tokenizer.controls

    def render(self, body: dict[str, Any]) -> tuple[str, list[int]] | None:
        call = parse_call("render_template", body, BOUNDS)
        assert isinstance(call, ChatCall)
        try:
            written = self.prompts.write(call)
            return self.prompts.uncover(written), self.prompts.read(written)
        except CallUnfit:
            return None

    def render_theirs(self, body: dict[str, Any]) -> tuple[str, list[int]] | None:
        body = copy.deepcopy(body)
        messages = body.pop("messages")
        body.setdefault("add_generation_prompt", True)
        try:
            text = self.theirs.apply_chat_template(messages, tokenize=False, **body)
            return text, self.theirs.apply_chat_template(messages, return_dict=False, **body)
        except (TemplateError, TypeError, ValueError):
            return None


@pytest.fixture(params=PUBLISHED, ids=lambda path: path.stem)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Published:
    return Published(request.param, tmp_path)


def test_chats_are_what_transformers_makes_of_them(published: Published) -> None:
    rendered = 0
    for body in CHATS:
        theirs = published.render_theirs(body)
        if "tools" in body and theirs == published.render_theirs({**body, "tools": None}):
            theirs = None  # they leave out what the template has no place for; here that is refused
        assert published.render(body) == theirs
        rendered += theirs is not None
    assert rendered >= 2


def test_words_in_messages_stay_words(published: Published) -> None:
    """As many control tokens as where the messages spell none."""
    spelled = "".join(control.content for control in published.controls.all if control.is_special)

    def count(words: str) -> list[list[int]]:
        counts = []
        for body in CHATS[1:]:
            changed = copy.deepcopy(body)
            for message in changed["messages"]:
                message["content"] += words
            if "tools" in changed:
                changed["tools"] = copy.deepcopy(changed["tools"])
                tool = changed["tools"][0]
                tool.get("function", tool)["description"] += words
            rendered = published.render(changed)
            counts.append([] if rendered is None else [n for n in rendered[1] if n in published.controls.ids])
        return counts

    assert count(" " + spelled + " ") == count(" x ")
    assert any(count("x"))
