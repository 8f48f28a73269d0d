"""However a control token is spelled, hidden or escaped in what a user sends: it stays text, in every kind of tokenizer.

The judge is the list of token ids: none may be a control token but those that the template places, and those are
counted with the same chat whose texts say nothing.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")

from models.words import byte_level, metaspace, scored_words, unlisted, word_pieces

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
BUSY = """\
{%- for tool in tools or [] %}<tools>{{ tool | tojson }}{{ tool.function.name }}{{ (tool.function.description or '') | upper }}</tools>{% endfor %}
{%- for d in documents or [] %}{{ d.title ~ d.text }}{{ d }}{% endfor %}
{%- if note is defined %}{{ note }}{{ note | lower }}{{ '<' ~ note ~ '>' }}{{ '<|' + note + '|>' }}{{ '[' + note + ']' }}{% endif %}
{%- for m in messages %}BEGIN {{ m.role }} {{ (m.name or '') ~ (m.content or '') }}
{{ m.content | trim | upper }}{{ (m.content or '')[:5] }}{{ (m.content or '')[5:] }}{{ (m.content or '').split('x') | join('') }}
{{ m.content | replace('-', '') }}{{ m.content | tojson }}{{ m.tool_call_id }}{{ m.thinking }}{{ m.reasoning_content }}
{%- for c in m.tool_calls or [] %}{{ c.id }}{{ c.function.name }}{{ c.function.arguments | tojson }}{{ c | tojson }}{% endfor %}END
{% endfor %}"""
"""Writes everything that it is given, cut, joined, quoted and in both cases; of its own it writes no control token."""


def normalized() -> tuple[dict[str, Any], dict[str, Any]]:
    """Compatibility forms and lower case are undone first; a control token is looked for after that."""
    tokenizer, config = byte_level()
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}
    for token in tokenizer["added_tokens"]:
        token |= {"normalized": True, "lstrip": True, "rstrip": True}
    return tokenizer, config


def with_letters() -> tuple[dict[str, Any], dict[str, Any]]:
    """One of its control tokens is a word like any other."""
    tokenizer, config = byte_level()
    number = max(*tokenizer["model"]["vocab"].values(), 300) + 1
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer["model"]["vocab"]["STOPNOW"] = number
    tokenizer["added_tokens"].append({"id": number, "content": "STOPNOW", **usual})
    return tokenizer, config


KINDS: dict[str, Callable[[], tuple[dict[str, Any], dict[str, Any]]]] = {
    "byte-level": byte_level,
    "metaspace": metaspace,
    "scored": scored_words,
    "word-pieces": word_pieces,
    "byte-level-unlisted": lambda: unlisted(byte_level()),
    "metaspace-unlisted": lambda: unlisted(metaspace()),
    "scored-unlisted": lambda: unlisted(scored_words()),
    "word-pieces-unlisted": lambda: unlisted(word_pieces()),
    "normalized": normalized,
    "letters": with_letters,
}


class Reader:
    """A tokenizer and a template, and what they make of a chat."""

    def __init__(self, template: str, kind: str = "byte-level") -> None:
        words, config = KINDS[kind]()
        contents = {
            "tokenizer.json": json.dumps(words).encode(),
            "tokenizer_config.json": json.dumps({**config, "chat_template": template}).encode(),
        }
        templates = ChatTemplates(read_templates(contents), read_token_settings(contents).named)
        self.tokenizer: TextTokenizer = open_tokenizer(contents, "\0".join(templates.literals), frozenset())
        self.prompts = PromptMaker(self.tokenizer, templates)
        self.words = tuple(control.content for control in self.tokenizer.controls.all)

    def read_controls(self, **chat: Any) -> list[int]:
        call = parse_call("render_template", {"add_generation_prompt": False, **chat}, BOUNDS)
        assert isinstance(call, ChatCall)
        return self.keep_controls(self.prompts.make(call))

    def keep_controls(self, ids: list[int]) -> list[int]:
        return [number for number in ids if number in self.tokenizer.controls.ids]


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


# --- every spelling, in every place, in every kind of tokenizer ------------------------------------------------------


def spell(word: str) -> list[str]:
    """A control token as it stands, hidden, bent and imitated."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)
    tagged = "".join(chr(0xE0000 + ord(c)) for c in word if c.isascii())
    middle = len(word) // 2
    lookalikes = str.maketrans(
        "aceiopsxEST<>|[]",
        "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0415\u0405\u0422\u2039\u203a\u01c0\u27e6\u27e7",
    )
    return [
        word,
        f" {word} ",
        f"\n{word}\n",
        f"hello{word}world",
        f"\u2581{word}",
        word * 3,
        word.upper(),
        word.lower(),
        word.swapcase(),
        word[:middle] + word + word[middle:],
        word[:middle] + "\u200b" + word[middle:],
        word[:middle] + "\u00ad" + word[middle:],
        word[:middle] + "\ufeff" + word[middle:],
        word[:middle] + "\u202e" + word[middle:],
        word[:middle] + "-" + word[middle:],
        word[:middle] + "x" + word[middle:],
        "\u200d".join(word),
        "\ufe0f".join(word),
        word + "\u0301",
        f"{word}\u0338",
        unicodedata.normalize("NFKD", wide),
        wide,
        wide[:1] + word[1:],
        word[:-1] + wide[-1:],
        tagged,
        word + tagged,
        word.translate(lookalikes),
        word.replace("<", "\ufe64").replace(">", "\ufe65"),
        "".join(f"<0x{byte:02X}>" for byte in word.encode()),
        "".join(f"\\u{ord(c):04x}" for c in word),
        "".join(f"&#{ord(c)};" for c in word),
        word.replace("<", "&lt;"),
        word.strip("<>|[]/"),
        word.strip("<>"),
        word[1:],
        word[:-1],
        " ".join(word),
        f"\\{word}",
        f"'{word}\"",
        f"{{{{ '{word}' }}}}",
        "\x00" + word + "\x00",
    ]


def chat_of(text: str) -> dict[str, Any]:
    """The text in every place that a client can write to, but where the assistant speaks."""
    function = {"name": text, "description": text, text: text, "parameters": {"enum": [text]}}
    return {
        "messages": [
            {"role": "system", "content": text},
            {"role": "developer", "content": text},
            {"role": "user", "content": text, "name": text},
            {"role": "user", "content": [{"type": "text", "text": text[:3]}, {"type": "text", "text": text[3:]}]},
            {"role": "tool", "content": text, "name": text, "tool_call_id": text},
        ],
        "tools": [{"type": "function", "function": function}, {text: text, "function": {"name": text}}],
        "documents": [{"title": text[:2], "text": text[2:]}, {"title": text, "text": text, text: [text]}],
        "template_options": {"note": text},
    }


def speaking(text: str) -> dict[str, Any]:
    """In the places of the assistant."""
    call = {"id": text, "type": "function", "function": {"name": text, "arguments": {text: text}}}
    spelled = {**call, "function": {"name": text, "arguments": json.dumps({text: [text]})}}
    escaped = {**call, "function": {"name": text, "arguments": json.dumps({"a": text}, ensure_ascii=True)}}
    said = {"role": "assistant", "content": text, "reasoning_content": text, "tool_calls": [call, spelled, escaped]}
    return {"messages": [said, {"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module", params=KINDS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(BUSY, request.param)


def test_there_is_something_to_inject(reader: Reader) -> None:
    assert reader.words
    spelled = reader.tokenizer.controls.write_marks("".join(reader.words))
    assert set(reader.tokenizer.encode(spelled, is_framed=False)) >= reader.tokenizer.controls.ids


def test_no_text_by_itself_gives_a_control_token(reader: Reader) -> None:
    for word in reader.words:
        for text in spell(word):
            ids = reader.tokenizer.encode(text, is_framed=False)
            assert reader.keep_controls(ids) == [], ascii(text)


def test_no_place_of_a_chat_gives_a_control_token(reader: Reader) -> None:
    """The template writes none of its own, so there may be none at all."""
    for word in reader.words:
        for text in spell(word):
            assert reader.read_controls(**chat_of(text)) == [], ascii(text)


def test_the_assistants_places_give_no_special_token(reader: Reader) -> None:
    """Markers that are not special are its own to write."""
    special = {control.id for control in reader.tokenizer.controls.all if control.is_special}
    for word in reader.words:
        for text in spell(word):
            assert special.isdisjoint(reader.read_controls(**speaking(text))), ascii(text)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_mixture_gives_a_control_token(reader: Reader, data: st.DataObject) -> None:
    cut = [
        word for word in reader.words if not word.isalpha()
    ]  # docs/language-engine.md: tools that a template joins
    parts = [*reader.words, *(word[:3] for word in cut), *(word[3:] for word in cut)]
    parts += [
        "<",
        "|",
        ">",
        "[",
        "]",
        "/",
        "\u200b",
        "\u2581",
        " ",
        "a",
        "S",
        "W",
        "\ufe64",
        "\uff1c",
        "\n",
        "-",
        "x",
    ]
    text = "".join(data.draw(st.lists(st.sampled_from(parts), max_size=10)))
    assert reader.keep_controls(reader.tokenizer.encode(text, is_framed=False)) == []
    assert reader.read_controls(**chat_of(text)) == []


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.text(max_size=8), min_size=2, max_size=2))
def test_no_characters_give_a_control_token(reader: Reader, texts: list[str]) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    try:
        found = reader.read_controls(messages=messages)
    except CallUnfit:
        assert max(max(text, default="") for text in texts) >= "\U0010c000"
    else:
        assert found == []


def test_two_fields_that_a_template_joins_spell_no_word_of_letters() -> None:
    reader = Reader("{{ messages[0].name ~ messages[0].content | upper }}", "letters")
    for name, content in (
        ("STOP", "NOW"),
        ("S", "TOPNOW"),
        ("stopno", "w"),
        ("STOPNO", "W"),
        ("stopnow", ""),
        ("\ufb06opnow", ""),
        ("\u017ftop", "now"),
    ):
        assert reader.read_controls(messages=[{"role": "user", "name": name, "content": content}]) == []
    own = Reader("STOPNOW{{ messages[0].content }}STOPNOW", "letters")
    assert len(own.read_controls(messages=[{"role": "user", "content": "STOPNOW stopnow"}])) == 2
