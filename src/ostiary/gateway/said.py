"""What the answers to one request say, piece by piece: thoughts, texts, and calls of tools that were offered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from ostiary.answer.said import Said, Thought
from ostiary.answer.split import Splitter, begin_splitting
from ostiary.core.requests import FinishReason, ParsedRequest, Piece, ToolCall
from ostiary.core.tool_styles import ToolStyle
from ostiary.core.values import dataclass

if TYPE_CHECKING:
    from ostiary.core.json_text import JsonValue
    from ostiary.gateway.served import ServedModel
    from ostiary.library.result import Result


_AT_ONCE: Final = 4_096
"""Characters: a hundredth of a second where they are a call of a tool."""


@dataclass(frozen=True, slots=True)
class SaidAnswer:
    """One answer, whole, as protocols tell it."""

    reasoning: str
    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    stop: str | None


class Splitters:
    """One for each answer. Where there are neither tools nor thoughts, text passes as it comes."""

    def __init__(self, style: ToolStyle, tools: Sequence[JsonValue] | None, choices: int) -> None:
        """`tools`: those that may be called, as the engine is told of them."""
        self._style: Final = style
        self._tools: Final = tools or ()
        self._splitters: Final[list[Splitter | None]] = [None] * choices

    async def feed(self, piece: Piece) -> list[Said]:
        splitter = self._splitters[piece.choice]
        if splitter is None and (self._tools or piece.thinking is not None):
            splitter = begin_splitting(self._style, self._tools, piece.thinking)
            self._splitters[piece.choice] = splitter
        if splitter is not None:
            return await _feed(splitter, piece.written)
        return [piece.written] if piece.written else []

    def finish(self, choice: int) -> list[Said]:
        """What was held back."""
        splitter = self._splitters[choice]
        return [] if splitter is None else splitter.finish()


async def split_result(result: Result, style: ToolStyle, tools: Sequence[JsonValue] | None) -> list[SaidAnswer]:
    """Every answer of one that is whole."""
    answers = []
    for choice in result.choices:
        splitter = begin_splitting(style, tools or (), choice.thinking)
        said = [*await _feed(splitter, choice.written), *splitter.finish()]
        reasoning = "".join(item.text for item in said if isinstance(item, Thought))
        text = "".join(item for item in said if isinstance(item, str))
        calls = tuple(item for item in said if isinstance(item, ToolCall))
        answers.append(SaidAnswer(reasoning, text, calls, choice.finish_reason, choice.stop))
    return answers


async def _feed(splitter: Splitter, text: str) -> list[Said]:
    """How much a worker says at once is its own choice: others have their turn in between."""
    said = splitter.feed(text[:_AT_ONCE])
    for place in range(_AT_ONCE, len(text), _AT_ONCE):
        await asyncio.sleep(0)
        said += splitter.feed(text[place : place + _AT_ONCE])
    return said


def find_style(model: ServedModel) -> ToolStyle:
    """What its engine claims is one of a closed list, or nothing: a wrong one gives text where there are calls."""
    claimed = model.opened.claimed_facts.get("tool_style")
    return next((style for style in ToolStyle if style == claimed), ToolStyle.JSON)


def list_tools(request: ParsedRequest) -> list[JsonValue] | None:
    """Those that the answer may call."""
    if request.fields.get("tool_choice") == "none":
        return None
    return cast("list[JsonValue] | None", request.fields.get("tools"))
