"""Fuzzes what a model says: any answer is thoughts, calls or text, wherever its pieces end."""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.answer.said import CallBegun, CallPiece, Thought
    from ostiary.answer.split import begin_splitting
    from ostiary.core.requests import ToolCall
    from ostiary.core.thought_styles import Thinking, ThoughtStyle
    from ostiary.core.tool_styles import MARKERS, ToolStyle

STYLES = tuple(ToolStyle)
TOOLS = [{"function": {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}}]


THINKING = (None, *(Thinking(thoughts, begun) for thoughts in ThoughtStyle for begun in (False, True)))


def split(style: ToolStyle, thinking: Thinking | None, pieces: list[str]) -> tuple[str, str, list[ToolCall]]:
    splitter = begin_splitting(style, TOOLS, thinking)  # type: ignore[arg-type]
    said = [item for piece in pieces for item in splitter.feed(piece)] + splitter.finish()
    return (
        "".join(item for item in said if isinstance(item, str)),
        "".join(item.text for item in said if isinstance(item, Thought)),
        [item for item in said if isinstance(item, ToolCall)],
    )


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    if len(data) < 3:
        return
    style, step, text = STYLES[data[0] % len(STYLES)], data[1] % 7 + 1, data[3:].decode("utf-8", "replace")
    thinking = THINKING[data[2] % len(THINKING)]
    whole = split(style, thinking, [text])
    pieces: list[str] = []
    splitter = begin_splitting(style, TOOLS, thinking)  # type: ignore[arg-type]
    for said in [*splitter.feed(text), *splitter.finish()]:
        if isinstance(said, CallBegun):
            pieces = []
        elif isinstance(said, CallPiece):
            pieces.append(said.text)
        elif isinstance(said, ToolCall) and "".join(pieces) != said.arguments:
            raise AssertionError("the pieces of a call are not the call")
    if split(style, thinking, [text[start : start + step] for start in range(0, len(text), step)]) != whole:
        raise AssertionError("where pieces end changed something")
    if thinking is None and style is not ToolStyle.HARMONY and not whole[2] and whole[0] != text:
        raise AssertionError("a text without calls did not stay as it was")
    for call in whole[2]:
        if call.name != "f" or not isinstance(json.loads(call.arguments), dict):
            raise AssertionError(call)


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    call = '{"name": "f", "arguments": {"a": "b"}}'
    bodies = [
        f"a <tool_call>{call}</tool_call> b",
        "<tool_call><function=f><parameter=a>1</parameter></function></tool_call>",
        "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
        f"[TOOL_CALLS][{call}]",
        '[TOOL_CALLS]f[ARGS]{"a": "}"}f[CALL_ID]1[ARGS]{}',
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
        "<|tool_calls_section_end|>",
        "<|tool_call_start|>[f(a='b', c=[1, {\"d\": None}])]<|tool_call_end|>",
        "<minimax:tool_call><invoke name=\"f\"><parameter name='a'>1</parameter></invoke></minimax:tool_call>",
        "<longcat_tool_call>f<longcat_arg_key>a</longcat_arg_key><longcat_arg_value>1</longcat_arg_value></longcat_tool_call>",
        '<function name="f"><param name="a"><![CDATA[b]]></param></function>',
        '<atem:function_calls><atem:invoke name="f"><atem:parameter name="a">1</atem:parameter></atem:invoke>'
        "</atem:function_calls>",
        "<start_function_call>call:f{a:<escape>b<escape>,c:{d:[1,null]}}<end_function_call>",
        '<|tool_call>call:f{a:<|"|>b<|"|>}<tool_call|>',
        '<think>a</think>{"name": "f", "parameters": {}}',
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=functions.f json<|message|>{}",
        '{"name": "f", "parameters": {"a": "\\ud83d\\ude00 \\n", "b": [1.5e3, true, null]}}',
        call,
    ]
    seeds = [bytes([place]) + b"\x02\x01" + body.encode() for body in bodies for place in range(len(MARKERS))]
    atheris.Setup(arguments_with_inputs(sys.argv, seeds), TestOneInput)
    atheris.Fuzz()
