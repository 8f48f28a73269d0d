"""Collects what becomes certain of calls, in the order in which it is told. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.answer.make_calls import NotACall
from ostiary.answer.said import CallBegun, CallPiece

if TYPE_CHECKING:
    from ostiary.answer.said import CallEvent
    from ostiary.core.requests import ToolCall


class Telling:
    """Of what stands within one pair of markers."""

    def __init__(self, room: int) -> None:
        """`room`: for how many more calls."""
        self._room = room
        self._events: list[CallEvent] = []
        self.is_begun = False
        """Whether a call was told of that is not whole."""
        self.calls = 0

    def begin(self, name: str) -> None:
        """Raises NotACall where there are as many as there may be."""
        if self.calls >= self._room:
            raise NotACall
        self._events.append(CallBegun(name))
        self.is_begun = True

    def tell(self, text: str) -> None:
        """Of the arguments."""
        if text:
            self._events.append(CallPiece(text))

    def end(self, call: ToolCall) -> None:
        self._events.append(call)
        self.is_begun = False
        self.calls += 1

    def tell_whole(self, call: ToolCall) -> None:
        """Raises NotACall where there are as many as there may be."""
        self.begin(call.name)
        self.tell(call.arguments)
        self.end(call)

    def take(self) -> list[CallEvent]:
        """What is new."""
        events: Final = self._events
        self._events = []
        return events
