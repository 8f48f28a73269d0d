"""An answer in channels: what is thought, what is text, what is a call; however it is cut and whatever stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.answer.harmony import HarmonySplitter
from ostiary.answer.said import CallBegun, CallBroken, CallPiece, Said, Thought
from ostiary.answer.split import begin_splitting
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS
from ostiary.core.requests import ToolCall
from ostiary.core.thought_styles import THOUGHT_MARKS, Thinking, ThoughtStyle
from ostiary.core.tool_styles import ToolStyle, find_tool_style

OFFERED: Final[list[Any]] = [{"type": "function", "function": {"name": "f"}}]
THINKS: Final = "<|channel|>analysis<|message|>"
SAYS: Final = "<|channel|>final<|message|>"
NEXT: Final = "<|end|><|start|>assistant"
CALLS: Final = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>"
F: Final = ToolCall("f", '{"a":1}')


def split(*pieces: str, is_begun: bool = False, tools: Sequence[Any] = OFFERED) -> list[Said]:
    splitter = HarmonySplitter(tools, is_begun=is_begun)
    return [*(item for piece in pieces for item in splitter.feed(piece)), *splitter.finish()]


def tell(said: Sequence[Said]) -> tuple[str, str, list[ToolCall]]:
    thoughts = "".join(item.text for item in said if isinstance(item, Thought))
    texts = "".join(item for item in said if isinstance(item, str))
    return thoughts, texts, [item for item in said if isinstance(item, ToolCall)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{THINKS}a{NEXT}{SAYS}b", ("a", "b", [])),
        (f"{THINKS}a{NEXT}{SAYS}b<|return|>", ("a", "b", [])),
        (f"{SAYS}b", ("", "b", [])),
        (f"{THINKS}never ends <|", ("never ends <|", "", [])),
        (f"{THINKS}a{NEXT}", ("a", "", [])),
        (f"{THINKS}a{NEXT}<|channel|>fin", ("a", "", [])),
        (f"{THINKS}a{NEXT}{CALLS}" + '{"a": 1}', ("a", "", [F])),
        (f"{THINKS}a{NEXT}{CALLS}" + '{"a": 1}\n<|call|>', ("a", "", [F])),
        (
            f"{THINKS}a{NEXT} to=functions.f<|channel|>commentary json<|message|>" + '{"a": 1}<|call|>',
            ("a", "", [F]),
        ),
        (" to=functions.f<|channel|>commentary json<|message|>" + '{"a": 1}', ("", "", [F])),
        (
            f"{CALLS}" + '{"a": 1}<|call|>' + f"<|start|>assistant{CALLS}" + '{"a": 1}<|call|>',
            ("", "", [F, F]),
        ),
        (f"<|channel|>commentary<|message|>I look.{NEXT}{CALLS}" + '{"a": 1}', ("", "I look.", [F])),
        (f"<|channel|>commentary<|message|>a{NEXT}{SAYS}b", ("", "a\n\nb", [])),
        (f"{THINKS}a{NEXT}{THINKS}b{NEXT}{SAYS}c", ("a\n\nb", "c", [])),
        (f"{THINKS}a<|start|>assistant{SAYS}b", ("a", "b", [])),  # an end that was forgotten
        (f"{THINKS}a{SAYS}b", ("a", "b", [])),
        (f"a{CALLS}" + '{"a": 1}', ("", "a", [F])),
        ("plain <b>text</b>", ("", "plain <b>text</b>", [])),
        (" plain", ("", " plain", [])),
        ("to be", ("", "to be", [])),
        ("to=", ("", "to=", [])),
        ("  ", ("", "  ", [])),
        ("", ("", "", [])),
        (f"{THINKS}{NEXT}{SAYS}", ("", "", [])),
        ("<|start|>assistant<|message|>a", ("", "a", [])),
    ],
)
def test_each_message_is_what_its_channel_says(text: str, told: Any) -> None:
    assert tell(split(text)) == told
    assert tell(split(*text)) == told


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|>commentary to=functions.g <|constrain|>json<|message|>{}<|call|>",
        "<|channel|>analysis to=python code<|message|>print(1)<|call|>",
        f"{CALLS}[1]<|call|>",
        f"{CALLS}" + '{"a": <|call|>',
        f"{CALLS}" + '{"a": 1, "a": 2}<|call|>',
        "<|channel|>" + "x" * 600,
        "<|start|>" + " " * 600 + "<|start|>",
    ],
)
def test_what_is_no_call_is_the_text_that_it_is(text: str) -> None:
    for pieces in ([text], [*text]):
        thoughts, texts, calls = tell(split(*pieces))
        assert (thoughts, calls) == ("", [])
        assert texts == text.removesuffix("<|start|>")


def test_a_call_is_told_while_it_is_written() -> None:
    said = split(*f"{CALLS}", '{"a": ', '"b', 'c"', "}")
    assert said[0] == CallBegun("f")
    assert [item.text for item in said if isinstance(item, CallPiece)] == ['{"a":', '"b', 'c"', "}"]
    broken = split(*f"{CALLS}", '{"a": "b')
    assert broken[0] == CallBegun("f")
    assert CallBroken() in broken
    assert tell(broken)[1].endswith('{"a": "b')


def test_bounds() -> None:
    long = '{"a": "' + "b" * MAX_TOOL_CALL_CHARACTERS + '"}'
    for text in (f"{CALLS}{long}<|call|>",):
        assert tell(split(*(text[place : place + 4_096] for place in range(0, len(text), 4_096)))) == ("", text, [])
    many = (CALLS + '{"a": 1}<|call|>') * (MAX_TOOL_CALLS + 1)
    assert len(tell(split(many))[2]) == MAX_TOOL_CALLS


def test_without_tools_a_call_is_text() -> None:
    assert tell(split(f"{CALLS}{{}}<|call|>", tools=())) == ("", f"{CALLS}{{}}<|call|>", [])


def test_an_answer_begins_as_a_thought_where_the_prompt_ends_in_one() -> None:
    assert tell(split(f"a{NEXT}{SAYS}b", is_begun=True)) == ("a", "b", [])


def test_either_a_template_or_a_vocabulary_tells_of_channels() -> None:
    assert find_tool_style("... <|channel|>commentary json<|message|>") is ToolStyle.HARMONY
    thinking = Thinking(ThoughtStyle.HARMONY, is_begun=True)
    for splitter in (
        begin_splitting(ToolStyle.HARMONY, (), None),
        begin_splitting(ToolStyle.JSON, (), thinking),
        begin_splitting(ToolStyle.HARMONY, OFFERED, thinking),
    ):
        assert isinstance(splitter, HarmonySplitter)
    assert THOUGHT_MARKS[ThoughtStyle.HARMONY].begin == THINKS


MARKS: Final = ("<|end|>", "<|start|>", "<|channel|>", "<|message|>", "<|call|>", "<|constrain|>", "<|", "to=")
WORDS: Final = (" to=functions.f", "a", " ", "\n", '{"a": 1}', "{", '"', "x" * 300)
PARTS: Final = st.sampled_from([THINKS, SAYS, CALLS, NEXT, *MARKS, *WORDS])


@given(
    text=st.lists(PARTS, max_size=12).map("".join),
    cuts=st.lists(st.integers(0, 900), max_size=12),
    is_begun=st.booleans(),
    has_tools=st.booleans(),
)
def test_however_an_answer_is_cut_it_says_the_same(
    text: str, cuts: list[int], is_begun: bool, has_tools: bool
) -> None:
    tools = OFFERED if has_tools else ()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    whole = tell(split(text, is_begun=is_begun, tools=tools))
    assert tell(split(*pieces, is_begun=is_begun, tools=tools)) == whole
    assert tell(split(*text, is_begun=is_begun, tools=tools)) == whole


@pytest.mark.parametrize("unit", ["<", "<|", "<|start|>", "<|channel|>", THINKS, f"{SAYS}a<|end|>", CALLS, " "])
def test_a_hostile_text_is_never_kept_beyond_a_head(unit: str) -> None:
    splitter = HarmonySplitter(OFFERED, is_begun=False)
    text = unit * (100_000 // len(unit))
    for place in range(0, len(text), 4_096):
        splitter.feed(text[place : place + 4_096])
        assert len(splitter._held) < 512
    splitter.finish()
