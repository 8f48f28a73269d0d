"""What an answer is held to, as a grammar in llguidance's own words. Pure.

The grammar is in its variant of Lark: texts in quotes, and `%json` with a schema, each the root of its own
references.
"""

from __future__ import annotations

import json
from typing import Final

from ostiary.core.answer_forms import Tool, ToolPlan, ToolUse
from ostiary.core.schema_rules import Schema
from ostiary.core.tool_styles import MARKERS, ToolStyle

_SPACE: Final = {"x-guidance": {"whitespace_pattern": r"\n[ ]{0,32}|[ ]"}}
"""Where JSON allows white space: one space, or a line and its indentation. Without a bound, some never stop."""
_TAGGED: Final = frozenset(ToolStyle) - {
    ToolStyle.MISTRAL,
    ToolStyle.PYTHONIC,
    ToolStyle.KIMI,
    ToolStyle.DEEPSEEK,
    ToolStyle.HARMONY,
    ToolStyle.JSON,
}
"""A marker stands before each call. A call in JSON is read as such in all of them."""

_HARMONY_HEAD: Final = r"/(<\|channel\|>commentary)? ?(<\|constrain\|>)?json<\|message\|>/"
"""Between the name of a tool and its arguments: the channel stands there, or before the recipient."""


def write_grammar(schema: Schema | None, plan: ToolPlan, style: ToolStyle) -> str | None:
    """None: the answer is not held to anything."""
    if not plan.tools:
        return None if schema is None else f"start: {_json(schema)}\n"
    lines = [f"call_{place}: {_write_call(tool, style)}" for place, tool in enumerate(plan.tools)]
    lines.append(f"call: {' | '.join(f'call_{place}' for place in range(len(plan.tools)))}")
    if plan.use is ToolUse.REQUIRED:
        lines.append(f"start: {_write_calls(plan, style)}")
    elif schema is not None:
        lines.append(f"start: {_write_calls(plan, style)} | {_json(schema)}")
    elif style is ToolStyle.JSON:
        lines += ["start: call | TEXT", r"TEXT: /[^{ \t\r\n](.|\n)*/"]
    else:
        lines += [
            f"start: (before {_write_section(plan, style)}){'*' if _repeats(plan, style) else '?'} TEXT",
            f"before[lazy]: TEXT {_text(MARKERS[style].begin)}",
            r"TEXT: /(.|\n)*/",
        ]
    return "\n".join((*lines, ""))


def lets_think(schema: Schema | None, plan: ToolPlan, style: ToolStyle) -> bool:
    """Whether an answer that is held to something may begin with any text. One that may be a call without a mark
    may not: it could not be told from a thought that the prompt began.
    """
    return schema is None and plan.use is not ToolUse.REQUIRED and style is not ToolStyle.JSON


def _write_calls(plan: ToolPlan, style: ToolStyle) -> str:
    """An answer that is nothing but calls."""
    if style is ToolStyle.JSON:
        return "call"
    section = f"{_text(MARKERS[style].begin)} {_write_section(plan, style)}"
    if style is ToolStyle.HARMONY:
        return f"{_text('<|channel|>commentary')} {section}"
    return f"{section} ({_text(chr(10))} {section})*" if _repeats(plan, style) else section


def _repeats(plan: ToolPlan, style: ToolStyle) -> bool:
    return plan.is_parallel and style in _TAGGED


def _write_section(plan: ToolPlan, style: ToolStyle) -> str:
    """What follows a marker."""
    if style in (ToolStyle.MISTRAL, ToolStyle.PYTHONIC):
        more = f" ({_text(', ')} call)*" if plan.is_parallel else ""
        return f"{_text('[')} call{more} {_text(']' + MARKERS[style].end)}"
    if style in (ToolStyle.KIMI, ToolStyle.DEEPSEEK):
        return f"call{'+' if plan.is_parallel else ''} {_text(MARKERS[style].end)}"
    return "call"


def _write_call(tool: Tool, style: ToolStyle) -> str:
    """One, without the marker before it."""
    arguments = _json(tool.parameters)
    if style is ToolStyle.KIMI:
        begin, inside, end = MARKERS[style].others
        return f"{_text(f'{begin}functions.{tool.name}:')} /[0-9]{{1,3}}/ {_text(inside)} {arguments} {_text(end)}"
    if style is ToolStyle.DEEPSEEK:
        begin, inside, end = MARKERS[style].others
        return f"{_text(f'{begin}{tool.name}{inside}')} {arguments} {_text(end)}"
    if style is ToolStyle.HARMONY:
        return f"{_text(tool.name)} {_HARMONY_HEAD} {arguments}"
    word = "parameters" if style is ToolStyle.JSON else "arguments"
    before, behind = f'{{"name": "{tool.name}", "{word}": ', "}"
    if style in _TAGGED:
        before, behind = f"\n{before}", f"{behind}\n{MARKERS[style].end}"
    return f"{_text(before)} {arguments} {_text(behind)}"


def _text(text: str) -> str:
    return json.dumps(text)


def _json(schema: Schema) -> str:
    return f"%json {json.dumps({**_SPACE, **schema})}"
