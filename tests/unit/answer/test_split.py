"""Thoughts, texts and calls are told apart, however an answer is cut into pieces and whatever stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.answer.said import CallBroken, CallPiece, Said, Thought
from ostiary.answer.split import AnswerSplitter
from ostiary.core.requests import ToolCall
from ostiary.core.thought_styles import THOUGHT_MARKS, Thinking, ThoughtStyle, find_thought_style
from ostiary.core.tool_styles import ToolStyle

OFFERED: Final[list[Any]] = [{"type": "function", "function": {"name": "f"}}]
TOLD: Final = Thinking(ThoughtStyle.THINK, is_begun=False)
BEGUN: Final = Thinking(ThoughtStyle.THINK, is_begun=True)
CALL: Final = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
F: Final = ToolCall("f", '{"a":1}')


def split(
    *pieces: str,
    thinking: Thinking | None = TOLD,
    style: ToolStyle = ToolStyle.HERMES,
    tools: Sequence[Any] = OFFERED,
) -> list[Said]:
    """What is said, texts and thoughts that follow one another as one."""
    splitter = AnswerSplitter(style, tools, thinking)
    return join([*(item for piece in pieces for item in splitter.feed(piece)), *splitter.finish()])


def join(said: Sequence[Said]) -> list[Said]:
    joined: list[Said] = []
    for item in said:
        last = joined[-1] if joined else None
        if isinstance(item, str) and isinstance(last, str):
            joined[-1] = last + item
        elif isinstance(item, Thought) and isinstance(last, Thought):
            joined[-1] = Thought(last.text + item.text)
        elif isinstance(item, CallPiece) and isinstance(last, CallPiece):
            joined[-1] = CallPiece(last.text + item.text)
        else:
            joined.append(item)
    return joined


def tell(said: Sequence[Said]) -> tuple[str, str, list[ToolCall]]:
    thoughts = "".join(item.text for item in said if isinstance(item, Thought))
    texts = "".join(item for item in said if isinstance(item, str))
    return thoughts, texts, [item for item in said if isinstance(item, ToolCall)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", ["hello"]),
        (" hello \n", [" hello \n"]),
        ("<think>a</think>b", [Thought("a"), "b"]),
        ("<think>\na b \n</think>\n\nc\n", [Thought("a b"), "c\n"]),
        ("\n<think>a</think>", [Thought("a")]),
        ("<think>\n\n</think>\n\nb", ["b"]),
        ("<think>a", [Thought("a")]),
        ("<think>a</thin", [Thought("a</thin")]),
        ("a<thin", ["a<thin"]),
        ("a</think>b", ["a</think>b"]),
        ("<think>a<think>b</think>c", [Thought("a<think>b"), "c"]),
        ("a\n<think>b</think>\nc<think>d</think>e", ["a\n", Thought("b"), "c", Thought("d"), "e"]),
        ("<think>", []),
        ("", []),
        (" \n ", [" \n "]),
        ("<<think>a</<</think>b", ["<", Thought("a</<"), "b"]),
    ],
)
def test_thoughts_are_told_from_text(text: str, told: list[Said]) -> None:
    assert split(text, tools=()) == told
    assert split(*text, tools=()) == told


def test_an_answer_begins_as_a_thought_where_the_prompt_ends_in_one() -> None:
    assert split(" a</think>b", thinking=BEGUN, tools=()) == [Thought("a"), "b"]
    assert split("never ends", thinking=BEGUN, tools=()) == [Thought("never ends")]
    assert split("a</think>b", thinking=None, tools=()) == ["a</think>b"]


@pytest.mark.parametrize("style", sorted(set(ThoughtStyle) - {ThoughtStyle.HARMONY}))
def test_each_manner(style: ThoughtStyle) -> None:
    marks = THOUGHT_MARKS[style]
    text = f"{marks.begin}\na{marks.end}b"
    assert split(*text, thinking=Thinking(style, is_begun=False), tools=()) == [Thought("a"), "b"]
    assert find_thought_style(set(marks.controls).__contains__) is style
    assert find_thought_style({marks.controls[0]}.__contains__) is None


def test_a_call_within_a_thought_ends_it() -> None:
    """As MLX-LM has it: models forget to close a thought before they call."""
    assert tell(split(f"<think>a {CALL} b")) == ("a", "b", [F])
    assert tell(split(f"a {CALL}", thinking=BEGUN)) == ("a", "", [F])
    assert tell(split(f"<think>a</thi{CALL}</think>")) == ("a</thi", "</think>", [F])


def test_a_call_after_thoughts() -> None:
    assert tell(split(f"<think>a</think>\n\n{CALL}")) == ("a", "", [F])
    assert tell(split(f"<think>a</think>b{CALL}<think>c</think>{CALL}")) == ("ac", "b", [F, F])


def test_what_looks_like_a_call_and_is_none_stays_thought_or_text() -> None:
    broken = '<tool_call>{"name": "g"}</tool_call>'
    assert tell(split(f"<think>a {broken} b</think>c")) == (f"a {broken} b", "c", [])
    assert tell(split("<think>I might write <tool_call> here.</think>c")) == (
        "I might write <tool_call> here.",
        "c",
        [],
    )


def test_marks_within_arguments_are_arguments() -> None:
    inside = '<tool_call>{"name": "f", "arguments": {"a": "<think>x</think>"}}</tool_call>'
    assert tell(split(*inside)) == ("", "", [ToolCall("f", '{"a":"<think>x</think>"}')])


def test_a_call_that_breaks_off_within_a_thought_is_thought() -> None:
    said = split('<think>a<tool_call>{"name": "f", "arguments": {"a": ')
    assert CallBroken() in said
    assert tell(said) == ('a<tool_call>{"name": "f", "arguments": {"a":', "", [])


def test_thoughts_stand_before_a_call_without_a_mark() -> None:
    call = '{"name": "f", "parameters": {"a": "<think>"}}'
    expected = [ToolCall("f", '{"a":"<think>"}')]
    for pieces in ([f"<think>a</think>\n{call}"], [*f"<think>a</think>\n{call}"]):
        assert tell(split(*pieces, style=ToolStyle.JSON)) == ("a", "", expected)
    assert tell(split(f"a</think>{call}", style=ToolStyle.JSON, thinking=BEGUN)) == ("a", "", expected)
    assert tell(split(*call, style=ToolStyle.JSON)) == ("", "", expected)
    assert tell(split(*" b <think>c</think> d", style=ToolStyle.JSON)) == ("c", " b d", [])
    assert tell(split(*"\n<thin", style=ToolStyle.JSON)) == ("", "\n<thin", [])
    assert tell(split(*"a</th", style=ToolStyle.JSON, thinking=BEGUN)) == ("a</th", "", [])


MARKS: Final = ("<think>", "</think>", "<think", "</", "<", ">", "<tool_call>", "</tool_call>", CALL, "[THINK]")
PARTS: Final = st.sampled_from([*MARKS, "think", "a", "b ", " ", "\n", '{"name": "f", "parameters": {}}', "{"])
STYLES: Final = st.sampled_from([ToolStyle.HERMES, ToolStyle.JSON, ToolStyle.MISTRAL, ToolStyle.KIMI])


@given(
    text=st.lists(PARTS, max_size=14).map("".join),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    style=STYLES,
    is_begun=st.booleans(),
    has_tools=st.booleans(),
)
def test_however_an_answer_is_cut_it_says_the_same(
    text: str, cuts: list[int], style: ToolStyle, is_begun: bool, has_tools: bool
) -> None:
    thinking = Thinking(ThoughtStyle.THINK, is_begun=is_begun)
    tools = OFFERED if has_tools else ()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    whole = tell(split(text, thinking=thinking, style=style, tools=tools))
    assert tell(split(*pieces, thinking=thinking, style=style, tools=tools)) == whole
    assert tell(split(*text, thinking=thinking, style=style, tools=tools)) == whole


@given(text=st.lists(PARTS, max_size=14).map("".join), is_begun=st.booleans())
def test_nothing_but_marks_and_white_space_is_lost(text: str, is_begun: bool) -> None:
    said = split(*text, thinking=Thinking(ThoughtStyle.THINK, is_begun=is_begun), tools=())
    thoughts, texts, _ = tell(said)
    expected = read_plainly(text, is_begun=is_begun)
    assert ("".join(thoughts.split()), "".join(texts.split())) == expected


def read_plainly(text: str, *, is_begun: bool) -> tuple[str, str]:
    """The same without a memory of pieces: what is inside and what is outside, without white space."""
    found: tuple[list[str], list[str]] = ([], [])
    while text:
        mark = "</think>" if is_begun else "<think>"
        part, _, text = text.partition(mark)
        found[0 if is_begun else 1].append("".join(part.split()))
        is_begun = not is_begun
    return "".join(found[0]), "".join(found[1])


@pytest.mark.parametrize(
    "unit", ["<", "</think>", "<think>", "<think></think>", " ", "</thin", "<think> a </think> "]
)
@pytest.mark.parametrize("style", [ToolStyle.HERMES, ToolStyle.JSON])
def test_a_hostile_text_takes_no_more_work_than_it_is_long(unit: str, style: ToolStyle) -> None:
    """In pieces of some thousand characters, as the door reads what a worker says. The work is counted in characters
    that are kept, which are never more than a mark and what white space may be said yet.
    """
    splitter = AnswerSplitter(style, OFFERED, TOLD)
    thoughts = splitter._thoughts
    assert thoughts is not None
    text = unit * (200_000 // len(unit))
    for place in range(0, len(text), 4_096):
        splitter.feed(text[place : place + 4_096])
        assert len(thoughts._held) < len("</think>")
    splitter.finish()
