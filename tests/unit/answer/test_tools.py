"""Any text of a model becomes calls of tools that were offered, or stays the text that it is."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.answer.said import CallBegun, CallBroken, CallPiece, Said
from ostiary.answer.split import begin_splitting
from ostiary.answer.tools import ToolSplitter
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS
from ostiary.core.requests import ToolCall
from ostiary.core.tool_styles import MARKERS, ToolStyle, find_tool_style

jiter = pytest.importorskip("jiter")
"""The reader of unfinished JSON that the clients of OpenAI and Anthropic have."""

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
    splitter = begin_splitting(style, TOOLS if tools is None else tools, None)
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
    ToolStyle.MINIMAX: '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">7</parameter>\n'
    '<parameter name="days">2</parameter>\n</invoke>\n</minimax:tool_call>',
    ToolStyle.LONGCAT: "<longcat_tool_call>weather\n<longcat_arg_key>city</longcat_arg_key>\n<longcat_arg_value>7"
    "</longcat_arg_value>\n<longcat_arg_key>days</longcat_arg_key>\n<longcat_arg_value>2</longcat_arg_value>\n"
    "</longcat_tool_call>",
    ToolStyle.MINICPM: '<function name="weather"><param name="city">7</param><param name="days">2</param></function>',
    ToolStyle.MUSE: '<atem:function_calls>\n<atem:invoke name="weather">\n<atem:parameter name="city" string="true">7'
    '</atem:parameter>\n<atem:parameter name="days">2</atem:parameter>\n</atem:invoke>\n</atem:function_calls>',
    ToolStyle.GEMMA: "<start_function_call>call:weather{city:<escape>7<escape>,days:2}<end_function_call>",
    ToolStyle.GEMMA_4: '<|tool_call>call:weather{city:<|"|>7<|"|>,days:2}<tool_call|>',
    ToolStyle.DEEPSEEK: "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>weather<\uff5ctool\u2581sep\uff5c>"
    '{"city": "7", "days": 2}<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>',
    ToolStyle.SEED: "<seed:tool_call>\n<function=weather>\n<parameter=city>7</parameter>\n<parameter=days>2</parameter>\n"
    "</function>\n</seed:tool_call>",
    ToolStyle.HARMONY: '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "7", "days": 2}',
    ToolStyle.JSON: '{"name": "weather", "parameters": {"city": "7", "days": 2}}',
}
WEATHER = ToolCall("weather", '{"city":"7","days":2}')


@pytest.mark.parametrize("style", list(ToolStyle))
def test_a_call_in_each_style(style: ToolStyle) -> None:
    assert split(style, CALLS[style]) == ("", [WEATHER])
    assert split(style, *CALLS[style]) == ("", [WEATHER])


@pytest.mark.parametrize("style", sorted(set(ToolStyle) - {ToolStyle.JSON, ToolStyle.HARMONY}))
def test_text_before_a_call_is_said_and_white_space_beside_it_is_not(style: ToolStyle) -> None:
    assert split(style, "Let me see.\n\n", CALLS[style], "\n") == ("Let me see.", [WEATHER])


def test_a_call_as_deepseek_wrote_it_before() -> None:
    begin, inside, end = MARKERS[ToolStyle.DEEPSEEK].others
    call = f'{begin}function{inside}weather\n```json\n{{"city": "7", "days": 2}}\n```{end}'
    marks = MARKERS[ToolStyle.DEEPSEEK]
    for text in (f"{marks.begin}{call}{marks.end}", f"{marks.begin}{call}\n{call}{marks.end}"):
        told = split(ToolStyle.DEEPSEEK, *text)
        assert told == split(ToolStyle.DEEPSEEK, text) == ("", [WEATHER] * text.count("```json"))
    for wrong in (call.replace("weather", "other"), call.replace("function", "f")):
        text = f"{marks.begin}{wrong}{marks.end}"
        assert split(ToolStyle.DEEPSEEK, *text) == split(ToolStyle.DEEPSEEK, text) == (text, [])


@pytest.mark.parametrize("style", [ToolStyle.KIMI, ToolStyle.DEEPSEEK])
def test_a_call_whose_end_is_broken_is_told_once(style: ToolStyle) -> None:
    """Else a client would run it and show it as well."""
    marks, whole = MARKERS[style], CALLS[style]
    call = whole.removeprefix(marks.begin).removesuffix(marks.end)
    bare = call.removesuffix(marks.others[2])
    for text, rest in (
        (f"{marks.begin}{bare}", ""),
        (f"{marks.begin}{call}", ""),
        (f"{marks.begin}{bare}{marks.others[2][:5]}", marks.others[2][:5]),
        (f"{marks.begin}{bare}{marks.end}", ""),
        (f"{marks.begin}{bare} or so{marks.end}", f" or so{marks.end}"),
        (f"{marks.begin}{call}{bare} or so{marks.end}", f" or so{marks.end}"),
    ):
        told = split(style, *text)
        assert told == split(style, text) == (rest, [WEATHER] * text.count("days"))


class Counted(str):
    """A text that knows how much was copied to put something before it."""

    copied = 0

    def __radd__(self, before: str) -> Counted:
        Counted.copied += len(before)
        return Counted(str(before) + str(self))

    def __getitem__(self, key: Any) -> Counted:
        return Counted(str(self)[key])


@pytest.mark.parametrize("style", [ToolStyle.JSON, ToolStyle.HERMES, ToolStyle.KIMI])
def test_white_space_without_end_is_not_copied_for_each_piece(style: ToolStyle) -> None:
    """A worker that writes nothing else would keep the loop of all."""
    Counted.copied = 0
    assert split(style, *[Counted(" ")] * 2_000, "a") == (" " * 2_000 + "a", [])
    assert Counted.copied < 2_000 * 32


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
    as_json = '<|tool_call_start|> [ {"name": "f", "arguments": {}}]<|tool_call_end|>'
    assert split(ToolStyle.PYTHONIC, *as_json)[1] == [ToolCall("f", "{}")]
    more = '<|tool_call_start|> [  {"name": "f", "arguments": {}}, what?]<|tool_call_end|>'
    assert split(ToolStyle.PYTHONIC, *more) == (", what?]<|tool_call_end|>", [ToolCall("f", "{}")])
    assert split(ToolStyle.PYTHONIC, "<|tool_call_start|>[", " " * 600, *"f()]<|tool_call_end|>")[1] == [
        ToolCall("f", "{}")
    ]


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
        (ToolStyle.MINIMAX, '<minimax:tool_call><invoke name="rm"></invoke></minimax:tool_call>'),
        (
            ToolStyle.MINIMAX,
            '<minimax:tool_call><invoke name="f"><parameter name="a">1</invoke></minimax:tool_call>',
        ),
        (ToolStyle.MINIMAX, "<minimax:tool_call></minimax:tool_call>"),
        (ToolStyle.MINIMAX, f'<minimax:tool_call><invoke name="{"f" * 2_000}"></invoke></minimax:tool_call>'),
        (ToolStyle.LONGCAT, "<longcat_tool_call>f<longcat_arg_key>a</longcat_arg_key></longcat_tool_call>"),
        (ToolStyle.MINICPM, '<function name="f"><param name="a">1</function>'),
        (ToolStyle.MINICPM, '<function name="f"><param name="a">1</param><param name="a">2</param></function>'),
        (ToolStyle.MUSE, '<atem:function_calls><atem:invoke name="f"></atem:function_calls>'),
        (ToolStyle.GEMMA, "<start_function_call>call:f{a:<escape>b}<end_function_call>"),
        (ToolStyle.GEMMA, "<start_function_call>call:f{a:1,a:2}<end_function_call>"),
        (ToolStyle.GEMMA, "<start_function_call>call:f{a:" + "[" * 5_000 + "}<end_function_call>"),
        (ToolStyle.GEMMA, "<start_function_call>call:f{a:1}call:rm{}<end_function_call>"),
        (ToolStyle.GEMMA_4, "<|tool_call>f{}<tool_call|>"),
        (ToolStyle.JSON, '{"name": "f"'),
        (ToolStyle.JSON, '{"name": "", "arguments": {"a": "b"}}'),
        (ToolStyle.JSON, '{"name": ["f"], "arguments": {"a": "b"}}'),
        (ToolStyle.JSON, '[["name", "f"], {"arguments": {"a": "b"}}]'),
        (ToolStyle.JSON, '["name", "f"]'),
        (ToolStyle.JSON, '{"arguments": {"name": "f", "arguments": {}}}'),
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


def hear(style: ToolStyle, *pieces: str) -> list[Said]:
    splitter = ToolSplitter(style, TOOLS)
    return [said for piece in pieces for said in splitter.feed(piece)] + splitter.finish()


FLOWING = {
    ToolStyle.HERMES: '<tool_call>{"name": "weather", "arguments": {"city": "%s", "days": 2}}</tool_call>',
    ToolStyle.QWEN_CODER: "<tool_call><function=weather>\n<parameter=city>\n%s\n</parameter>\n<parameter=days>\n2\n"
    "</parameter>\n</function></tool_call>",
    ToolStyle.GLM: "<tool_call>weather<arg_key>city</arg_key><arg_value>%s</arg_value><arg_key>days</arg_key>"
    "<arg_value>2</arg_value></tool_call>",
    ToolStyle.MISTRAL: '[TOOL_CALLS]weather[ARGS]{"city": "%s", "days": 2}',
    ToolStyle.KIMI: "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
    '{"city": "%s", "days": 2}<|tool_call_end|><|tool_calls_section_end|>',
    ToolStyle.MINIMAX: '<minimax:tool_call><invoke name="weather"><parameter name="city">%s</parameter>'
    '<parameter name="days">2</parameter></invoke></minimax:tool_call>',
    ToolStyle.LONGCAT: "<longcat_tool_call>weather<longcat_arg_key>city</longcat_arg_key><longcat_arg_value>%s"
    "</longcat_arg_value><longcat_arg_key>days</longcat_arg_key><longcat_arg_value>2</longcat_arg_value>"
    "</longcat_tool_call>",
    ToolStyle.MUSE: '<atem:function_calls><atem:invoke name="weather"><atem:parameter name="city">%s</atem:parameter>'
    '<atem:parameter name="days">2</atem:parameter></atem:invoke></atem:function_calls>',
    ToolStyle.JSON: '{"name": "weather", "parameters": {"city": "%s", "days": 2}}',
}
LONG = "a b<c é " * 8


@pytest.mark.parametrize("style", list(FLOWING))
def test_arguments_are_told_while_they_are_written(style: ToolStyle) -> None:
    text = FLOWING[style] % LONG.strip()
    place = text.index("é") + 10
    splitter = ToolSplitter(style, TOOLS)
    early = [said for character in text[:place] for said in splitter.feed(character)]
    assert early[0] == CallBegun("weather")
    told = "".join(said.text for said in early if isinstance(said, CallPiece))
    assert told.startswith('{"city":"a b<c é a b')
    late = [*splitter.feed(text[place:]), *splitter.finish()]
    told += "".join(said.text for said in late if isinstance(said, CallPiece))
    call = ToolCall("weather", f'{{"city":"{LONG.strip()}","days":2}}')
    assert late[-1] == call
    assert told == call.arguments


@pytest.mark.parametrize("style", list(FLOWING))
def test_what_is_told_early_is_the_beginning_of_an_object_and_never_all_of_it(style: ToolStyle) -> None:
    """A client that stops to read in the middle must not take a part for the whole."""
    told = ""
    for said in hear(style, *(FLOWING[style] % LONG.strip())):
        if isinstance(said, ToolCall):
            assert told == said.arguments
        elif isinstance(said, CallPiece):
            assert not _is_whole(told)
            told += said.text
            assert isinstance(jiter.from_json(told.encode(), partial_mode=True), dict)


def _is_whole(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}, "parameters": {}}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1, "a": 2}}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": 01}}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": "\\ud800"}}</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": "b"}} more</tool_call>'),
        (ToolStyle.HERMES, '<tool_call>{"name": "f", "arguments": {"a": "b'),
        (ToolStyle.QWEN_CODER, "<tool_call><function=f><parameter=a>1</parameter> more</function></tool_call>"),
        (ToolStyle.KIMI, "<|tool_calls_section_begin|><|tool_call_begin|>f:0<|tool_call_argument_begin|>{"),
        (ToolStyle.JSON, '{"name": "f", "parameters": {"a": 1}} and more'),
    ],
)
def test_a_call_that_breaks_off_stays_unfinished_and_its_text_is_said(style: ToolStyle, text: str) -> None:
    said = hear(style, *text)
    assert said[0] == CallBegun("f")
    broken = said.index(CallBroken())
    told = "".join(item.text for item in said[:broken] if isinstance(item, CallPiece))
    assert not _is_whole(told)
    assert isinstance(jiter.from_json(told.encode(), partial_mode=True), dict)
    assert "".join(item for item in said[broken:] if isinstance(item, str)) == text
    assert split(style, text) == (text, [])


def test_what_follows_a_whole_call_in_the_same_marks_is_text() -> None:
    begin, call, end = "<minimax:tool_call>", '<invoke name="f"></invoke>', "</minimax:tool_call>"
    one = ToolCall("f", "{}")
    assert split(ToolStyle.MINIMAX, f"{begin}{call}{call}\n{end}") == ("", [one, one])
    assert split(ToolStyle.MINIMAX, f"{begin}{call}what?{end}") == (f"what?{end}", [one])


def test_values_in_tags_are_what_the_schema_says() -> None:
    as_text = '<function name="weather"><param name="city"><![CDATA[a < b]]></param><param name="x">[1, 2]</param>'
    call = ToolCall("weather", '{"city":"a < b","x":[1,2]}')
    assert split(ToolStyle.MINICPM, f"{as_text}</function>") == ("", [call])
    lines = "<tool_call><function=weather><parameter=city>\n\nline\n\n</parameter></function></tool_call>"
    assert split(ToolStyle.QWEN_CODER, *lines)[1] == [ToolCall("weather", '{"city":"\\nline\\n"}')]
    gemma = "call:f{a:{b:[1,-2.5,null,true],c:<escape>x,{}<escape>},d:word}"
    whole = ToolCall("f", '{"a":{"b":[1,-2.5,null,true],"c":"x,{}"},"d":"word"}')
    assert split(ToolStyle.GEMMA, f"<start_function_call>{gemma}<end_function_call>")[1] == [whole]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    arguments=st.dictionaries(st.text(max_size=6), _JSON, max_size=4),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
    step=st.integers(1, 9),
)
def test_any_arguments_arrive_as_they_were_written(
    arguments: dict[str, Any], indent: int | None, is_ascii: bool, step: int
) -> None:
    written = json.dumps({"name": "f", "arguments": arguments}, indent=indent, ensure_ascii=is_ascii)
    text = f"<tool_call>{written}</tool_call>"
    if "<tool_call>" in written or "</tool_call>" in written:
        return
    said = hear(ToolStyle.HERMES, *(text[place : place + step] for place in range(0, len(text), step)))
    calls = [item for item in said if isinstance(item, ToolCall)]
    assert json.loads(calls[0].arguments) == arguments
    assert "".join(item.text for item in said if isinstance(item, CallPiece)) == calls[0].arguments


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
    pieces_of_calls = "".join(item.text for item in hear(style, *pieces) if isinstance(item, CallPiece))
    if CallBroken() not in hear(style, *pieces):
        assert pieces_of_calls == "".join(call.arguments for call in calls)
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
        ("<minimax:tool_call>", ToolStyle.MINIMAX),
        ("<longcat_tool_call><longcat_arg_key>", ToolStyle.LONGCAT),
        ('<function name="{{ name }}"><param name="', ToolStyle.MINICPM),
        ("<atem:function_calls>", ToolStyle.MUSE),
        ("<start_function_call>", ToolStyle.GEMMA),
        ("<|tool_call>call:<tool_call|>", ToolStyle.GEMMA_4),
        ("{% for m in messages %}", ToolStyle.JSON),
    ],
)
def test_a_template_tells_its_style(template: str, style: ToolStyle) -> None:
    assert find_tool_style(template) is style
