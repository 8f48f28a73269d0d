"""What an answer is split into as it comes: texts, thoughts, and calls, while they are written. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ostiary.core.json_text import JsonValue
from ostiary.core.requests import ToolCall
from ostiary.core.values import dataclass

Tools: TypeAlias = Mapping[str, Mapping[str, JsonValue]]
"""The name of each tool that was offered, and the schemas of its arguments by name."""


@dataclass(frozen=True, slots=True)
class Thought:
    """What a model writes of what it thinks, as it comes."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegun:
    """A tool that was offered is being called. Its arguments follow in pieces, and then the call as a whole."""

    name: str


@dataclass(frozen=True, slots=True)
class CallPiece:
    """Of the arguments. Together they are the beginning of a JSON object; where the call follows, all of it."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBroken:
    """What had begun is no call: its arguments stay unfinished, and what the model wrote follows as text."""


CallEvent: TypeAlias = "CallBegun | CallPiece | ToolCall"
Said: TypeAlias = "str | Thought | CallBegun | CallPiece | CallBroken | ToolCall"
"""A ToolCall comes behind its pieces, which together are its arguments."""
