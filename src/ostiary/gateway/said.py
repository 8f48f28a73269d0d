"""What the answers to one request say, piece by piece: texts, and calls of tools that were offered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from ostiary.answer.said import Said
from ostiary.answer.tools import ToolSplitter
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

    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    stop: str | None


class Splitters:
    """One for each answer. Without tools, text passes as it comes."""

    def __init__(self, style: ToolStyle, tools: Sequence[JsonValue] | None, choices: int) -> None:
        """`tools`: those that may be called, as the engine is told of them."""
        self._splitters: Final = [ToolSplitter(style, tools) for _ in range(choices)] if tools else []

    async def feed(self, piece: Piece) -> list[Said]:
        if self._splitters:
            return await _feed(self._splitters[piece.choice], piece.text)
        return [piece.text] if piece.text else []

    def finish(self, choice: int) -> list[Said]:
        """What was held back."""
        return self._splitters[choice].finish() if self._splitters else []

    def has_called(self, choice: int) -> bool:
        return bool(self._splitters) and self._splitters[choice].calls > 0


async def split_result(result: Result, style: ToolStyle, tools: Sequence[JsonValue] | None) -> list[SaidAnswer]:
    """Every answer of one that is whole."""
    answers = []
    for choice in result.choices:
        splitter = ToolSplitter(style, tools or ())
        said = [*await _feed(splitter, choice.text), *splitter.finish()]
        text = "".join(item for item in said if isinstance(item, str))
        calls = tuple(item for item in said if isinstance(item, ToolCall))
        answers.append(SaidAnswer(text, calls, choice.finish_reason, choice.stop))
    return answers


async def _feed(splitter: ToolSplitter, text: str) -> list[Said]:
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
