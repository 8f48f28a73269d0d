"""Any text of a model becomes calls of tools that were offered, or stays the text that it is."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.answer.tools import ToolSplitter
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS
from ostiary.core.requests import ToolCall
from ostiary.core.tool_styles import MARKERS, ToolStyle, find_tool_style

TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "f"}},
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            },
        },
    },
]


def split(style: ToolStyle, *pieces: str, tools: list[Any] | None = None) -> tuple[str, list[ToolCall]]:
    splitter = ToolSplitter(style, TOOLS if tools is None else tools)
    said = [said for piece in pieces for said in splitter.feed(piece)] + splitter.finish()
    return "".join(item for item in said if isinstance(item, str)), [
        item for item in said if isinstance(item, ToolCall)
    ]


CALLS = {
    ToolStyle.HERMES: '<tool_call>\n{"name": "weather", "arguments": {"city": "7", "days": 2}}\n</tool_call>',
    ToolStyle.QWEN_CODER: "<tool_call>\n<function=weather>\n<parameter=city>\n7\n</parameter>\n<parameter=days>\n2\n"
    "</parameter>\n</function>\n</tool_call>",
    ToolStyle.GLM: "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>7</arg_value>\n<arg_key>days</arg_key>\n"
    "<arg_value>2</arg_value>\n</tool_call>",
    ToolStyle.MISTRAL: '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "7", "days": 2}}]',
    ToolStyle.KIMI: "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
    '{"city": "7", "days": 2}<|tool_call_end|><|tool_calls_section_end|>',
    ToolStyle.PYTHONIC: "<|tool_call_start|>[weather(city='7', days=2)]<|tool_call_end|>",
    ToolStyle.JSON: '{"name": "weather", "parameters": {"city": "7", "days": 2}}',
}
WEATHER = ToolCall("weather", '{"city":"7","days":2}')


@pytest.mark.parametrize("style", list(ToolStyle))
def test_a_call_in_each_style(style: ToolStyle) -> None:
    assert split(style, CALLS[style]) == ("", [WEATHER])
    assert split(style, *CALLS[style]) == ("", [WEATHER])


@pytest.mark.parametrize("style", [style for style in ToolStyle if style is not ToolStyle.JSON])
def test_text_before_a_call_is_said_and_white_space_beside_it_is_not(style: ToolStyle) -> None:
    assert split(style, "Let me see.\n\n", CALLS[style], "\n") == ("Let me see.", [WEATHER])


def test_several_calls() -> None:
    hermes = CALLS[ToolStyle.HERMES]
    assert split(ToolStyle.HERMES, f"{hermes}\n{hermes}")[1] == [WEATHER, WEATHER]
    one = '{"name": "f", "arguments": {}}'
    assert split(ToolStyle.MISTRAL, f"[TOOL_CALLS][{one}, {one}]")[1] == [ToolCall("f", "{}")] * 2
    headers = '[TOOL_CALLS]f[ARGS]{"a": "}\\""}[TOOL_CALLS]weather[CALL_ID]x1[ARGS]{}'
    assert split(ToolStyle.MISTRAL, headers)[1] == [ToolCall("f", '{"a":"}\\""}'), ToolCall("weather", "{}")]


def test_calls_as_python_writes_them() -> None:
    text = """<|tool_call_start|>[f(a=[1, -2.5, None, true], b={'k': "v\\n'"}, c="\\u00e9"), weather()]<|tool_call_end|>"""
    first = ToolCall("f", '{"a":[1,-2.5,null,true],"b":{"k":"v\\n\'"},"c":"é"}')
    assert split(ToolStyle.PYTHONIC, text) == ("", [first, ToolCall("weather", "{}")])
    as_json = '<|tool_call_start|>[{"name": "f", "arguments": {}}]<|tool_call_end|>'
    assert split(ToolStyle.PYTHONIC, as_json)[1] == [ToolCall("f", "{}")]


def test_arguments_as_text_and_none_at_all() -> None:
    assert split(ToolStyle.JSON, '{"name": "f", "arguments": "{\\"a\\": 1}"}')[1] == [ToolCall("f", '{"a":1}')]
    assert split(ToolStyle.JSON, '{"name": "f"}')[1] == [ToolCall("f", "{}")]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (ToolStyle.HERMES, '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'),  # never offered
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": []}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "name": "weather"}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {}, "parameters": {}}</tool_call>'),
        (ToolStyle.HERMES, "<tool_call>" + "[" * 5_000 + "</tool_call>"),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>'),
        (ToolStyle.HERMES, "<tool_call>"),
        (ToolStyle.HERMES, "<tool_cal"),
        (ToolStyle.QWEN_CODER, "<tool_call><function=f><parameter=a>1</parameter></tool_call>"),
        (ToolStyle.QWEN_CODER, "<tool_call><function=f><parameter=a>1</function></tool_call>"),
        (ToolStyle.GLM, "<tool_call>f<arg_key>a</arg_key></tool_call>"),
        (ToolStyle.GLM, "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value> more</tool_call>"),
        (ToolStyle.MISTRAL, "[TOOL_CALLS]f[ARGS]{"),
        (ToolStyle.MISTRAL, "[TOOL_CALLS]f[ARGS]1"),
        (ToolStyle.MISTRAL, "[TOOL_CALLS]"),
        (
            ToolStyle.KIMI,
            "<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_end|><|tool_calls_section_end|>",
        ),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[f(1)]<|tool_call_end|>"),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[f(a=g())]<|tool_call_end|>"),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[f(a=1, a=2)]<|tool_call_end|>"),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[f(a=1e999)]<|tool_call_end|>"),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[f(a='\\ud800')]<|tool_call_end|>"),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[f(a=" + "[" * 5_000 + ")]<|tool_call_end|>"),
        (ToolStyle.PYTHONIC, "<|tool_call_start|>[__import__('os').system(a=1)]<|tool_call_end|>"),
        (ToolStyle.JSON, '{"name": "f"'),
        (ToolStyle.JSON, '{"answer": 42}'),
        (ToolStyle.JSON, "[]"),
    ],
)
def test_what_is_no_call_is_text(style: ToolStyle, text: str) -> None:
    assert split(style, text) == (text, [])
    assert split(style, *text) == (text, [])


def test_a_call_has_a_ceiling_and_so_have_calls() -> None:
    long = f'<tool_call>{{"name": "f", "arguments": {{"a": "{"x" * MAX_TOOL_CALL_CHARACTERS}"}}}}</tool_call>'
    assert split(ToolStyle.HERMES, *(long[place : place + 4096] for place in range(0, len(long), 4096))) == (
        long,
        [],
    )
    one = '<tool_call>{"name": "f"}</tool_call>'
    text, calls = split(ToolStyle.HERMES, one * (MAX_TOOL_CALLS + 1))
    assert len(calls) == MAX_TOOL_CALLS
    assert text == one


def test_without_tools_everything_is_text() -> None:
    assert split(ToolStyle.HERMES, CALLS[ToolStyle.HERMES], tools=[]) == (CALLS[ToolStyle.HERMES], [])


def test_text_flows_while_it_comes() -> None:
    splitter = ToolSplitter(ToolStyle.HERMES, TOOLS)
    assert splitter.feed("hello ") == ["hello"]
    assert splitter.feed("you <tool") == [" you"]
    assert splitter.feed("box>") == [" <toolbox>"]


_PARTS = st.sampled_from(
    [
        *CALLS.values(),
        *(word for markers in MARKERS.values() for word in (markers.begin, markers.end)),
        "{",
        "}",
        " ",
        "a",
    ]
)
_TEXTS = st.lists(_PARTS | st.text(max_size=5), max_size=8).map("".join)


@given(style=st.sampled_from(ToolStyle), text=_TEXTS, cuts=st.lists(st.integers(0, 400), max_size=6))
def test_where_pieces_end_changes_nothing(style: ToolStyle, text: str, cuts: list[int]) -> None:
    places = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    whole, calls = split(style, text)
    assert split(style, *pieces) == (whole, calls)
    for call in calls:
        assert isinstance(json.loads(call.arguments), dict)
    if not calls:
        assert whole == text


@pytest.mark.parametrize(
    ("template", "style"),
    [
        ("{{ '<tool_call>' }}", ToolStyle.HERMES),
        ("<tool_call>\n<function=", ToolStyle.QWEN_CODER),
        ("<tool_call>{{ name }}<arg_key>", ToolStyle.GLM),
        ("[TOOL_CALLS]", ToolStyle.MISTRAL),
        ("<|tool_calls_section_begin|>", ToolStyle.KIMI),
        ("{{ '<|tool_list_start|>' }}", ToolStyle.PYTHONIC),
        ("{% for m in messages %}", ToolStyle.JSON),
    ],
)
def test_a_template_tells_its_style(template: str, style: ToolStyle) -> None:
    assert find_tool_style(template) is style
