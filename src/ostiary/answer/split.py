"""An answer split into what the model thinks, what it says and which tools it calls, piece by piece. Pure.

Calls are found first: what stands in their arguments is neither thought nor text. What is no call is read for
thoughts, and a call within a thought ends it. Whatever pieces an answer comes in, what comes out is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from ostiary.answer.harmony import HarmonySplitter
from ostiary.answer.said import CallBegun, Said
from ostiary.answer.thoughts import ThoughtSplitter
from ostiary.answer.tools import ToolSplitter
from ostiary.core.json_text import JsonValue
from ostiary.core.requests import ToolCall
from ostiary.core.thought_styles import Thinking, ThoughtStyle
from ostiary.core.tool_styles import MARKERS, ToolStyle


class Splitter(Protocol):
    """Of one answer."""

    def feed(self, text: str) -> list[Said]:
        """What is certain now."""

    def finish(self) -> list[Said]:
        """What was held back, now that no more text comes."""


def begin_splitting(style: ToolStyle, tools: Sequence[JsonValue], thinking: Thinking | None) -> Splitter:
    """`tools`: as they were offered. `thinking`: None where there are no thoughts."""
    if style is ToolStyle.HARMONY or (thinking is not None and thinking.style is ThoughtStyle.HARMONY):
        return HarmonySplitter(tools, is_begun=thinking is not None and thinking.is_begun)
    return AnswerSplitter(style, tools, thinking)


class AnswerSplitter:
    """In all manners but those of channels."""

    def __init__(self, style: ToolStyle, tools: Sequence[JsonValue], thinking: Thinking | None) -> None:
        """As `begin_splitting`."""
        self._tools: Final = ToolSplitter(style, tools) if tools else None
        self._thoughts: Final = None if thinking is None else ThoughtSplitter(thinking)
        self._is_before_text = bool(tools) and thinking is not None and not MARKERS[style].begin
        """A call without a mark is a whole answer: thoughts can only stand before it."""

    def feed(self, text: str) -> list[Said]:
        """What is certain now."""
        said: list[Said] = []
        if self._is_before_text and self._thoughts is not None:
            rest = self._thoughts.feed_first(text, said)
            if rest is None:
                return said
            self._is_before_text = False
            text = rest
        if self._tools is None:
            return self._read([text] if text else [])
        return said + self._read(self._tools.feed(text))

    def finish(self) -> list[Said]:
        """What was held back, now that no more text comes."""
        said = self._read([] if self._tools is None else self._tools.finish())
        return said if self._thoughts is None else said + self._thoughts.finish()

    def _read(self, items: list[Said]) -> list[Said]:
        thoughts = self._thoughts
        if thoughts is None:
            return items
        said: list[Said] = []
        for item in items:
            if isinstance(item, str):
                said += thoughts.feed(item)
                continue
            said += thoughts.pause() if isinstance(item, CallBegun) else []
            said.append(item)
            if isinstance(item, ToolCall):
                thoughts.end_thought()
        return said
