"""An answer split into what it says and which tools it calls, piece by piece. Pure.

Any text comes out as calls or as the text that it is: what looks like a call and is none, is too long, or names a
tool that was not offered, is text. A call is told while it is written: its name, its arguments in pieces, the call.
Whatever pieces an answer comes in, its texts and its calls are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from ostiary.answer.make_calls import NotACall
from ostiary.answer.read_tagged_calls import count_begun
from ostiary.answer.read_tool_calls import begin_reading
from ostiary.answer.said import CallBroken, CallEvent, Said, Tools
from ostiary.answer.telling import Telling
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS
from ostiary.core.requests import ToolCall
from ostiary.core.tool_styles import MARKERS, ToolStyle


class ToolSplitter:
    """Of one answer. Text that may become a call is held back until that is known."""

    def __init__(self, style: ToolStyle, tools: Sequence[JsonValue]) -> None:
        """`tools`: as they were offered."""
        self._style: Final = style
        self._markers: Final = MARKERS[style]
        self._tools: Final = dict(name_tools(tools))
        self._held = ""
        """Text outside of a call: the beginning of a marker, perhaps."""
        self._space: Final[list[str]] = []
        """White space that is said only if text follows: beside calls it means nothing."""
        self._body: _Body | None = None
        """What stands within markers, as far as it came."""
        self._is_text = not self._tools
        """Nothing that follows can be a call."""
        self.calls = 0

    def feed(self, text: str) -> list[Said]:
        """What is certain now."""
        said: list[Said] = []
        while text:
            text = self._take_text(text, said) if self._body is None else self._take_body(text, self._body, said)
        return said

    def finish(self) -> list[Said]:
        """What was held back, now that no more text comes."""
        said: list[Said] = []
        if self._body is not None:
            held, self._body.held = self._body.held, ""
            self._tell(self._body.read(held), said)
            self._close(self._body, "", said)
        held, self._held = self._held, ""
        self._say(held, said)
        if self._space and not self.calls:
            said.append("".join(self._space))
        self._space.clear()
        return said

    def _take_text(self, text: str, said: list[Said]) -> str:
        """Returns what is left to look at."""
        if self._is_text:
            self._say(text, said)
            return ""
        if not self._markers.begin:
            return self._take_beginning(text, said)
        seen = self._held + text
        place = seen.find(self._markers.begin)
        if place < 0:
            keep = count_begun(seen, self._markers.begin)
            self._held = seen[len(seen) - keep :]
            self._say(seen[: len(seen) - keep], said)
            return ""
        self._held = ""
        self._say(seen[:place], said)
        self._open()
        return seen[place + len(self._markers.begin) :]

    def _take_beginning(self, text: str, said: list[Said]) -> str:
        """Where the whole answer is a call or none: its first character tells."""
        begun = text.lstrip()
        self._say(text[: len(text) - len(begun)], said)
        if not begun:
            return ""
        if begun[0] not in "{[":
            self._is_text = True
            self._say(begun, said)
            return ""
        self._open()
        return begun

    def _take_body(self, text: str, body: _Body, said: list[Said]) -> str:
        end = self._markers.end
        seen = body.held + text
        place = seen.find(end) if end else -1
        keep = count_begun(seen, end) if place < 0 else len(seen) - place
        body.held = "" if place >= 0 else seen[len(seen) - keep :]
        self._tell(body.read(seen[: len(seen) - keep]), said)
        if body.is_too_long:
            self._give_up(body, end if place >= 0 else body.held, said)
            self._is_text = True
        elif place >= 0:
            self._close(body, end, said)
        return seen[place + len(end) :] if place >= 0 else ""

    def _tell(self, events: Sequence[CallEvent], said: list[Said]) -> None:
        for event in events:
            said.append(event)
            if isinstance(event, ToolCall):
                self.calls += 1
                self._space.clear()

    def _open(self) -> None:
        self._body = _Body(self._style, self._tools, MAX_TOOL_CALLS - self.calls)

    def _close(self, body: _Body, end: str, said: list[Said]) -> None:
        self._tell(body.finish(), said)
        if body.is_good:
            self._body = None
        else:
            self._give_up(body, end, said)

    def _give_up(self, body: _Body, end: str, said: list[Said]) -> None:
        """What of it is no call is text."""
        self._body = None
        if body.is_begun:
            said.append(CallBroken())
        self._say(f"{'' if body.has_called else self._markers.begin}{body.rest}{end}", said)

    def _say(self, text: str, said: list[Said]) -> None:
        if not text:
            return
        bare = text.rstrip()
        if bare:
            said.append("".join((*self._space, bare)))
            self._space.clear()
        if len(bare) < len(text):
            self._space.append(text[len(bare) :])


class _Body:
    """What came within one pair of markers, and what its reader makes of it."""

    def __init__(self, style: ToolStyle, tools: Tools, room: int) -> None:
        """`room`: for how many more calls."""
        self._parts: Final[list[str]] = []
        self._telling: Final = Telling(room)
        self._reader: Final = begin_reading(style, tools, self._telling)
        self._is_broken = False
        self.held = ""
        """Where the end marker may have begun."""
        self._size = 0
        self.is_too_long = False
        """Whether a call has more characters than one may have."""

    @property
    def is_begun(self) -> bool:
        """Whether a call was told of that is not whole."""
        return self._telling.is_begun

    @property
    def has_called(self) -> bool:
        return self._telling.calls > 0

    @property
    def is_good(self) -> bool:
        """All of it was calls."""
        return self.has_called and not self._is_broken and not self.is_too_long

    @property
    def rest(self) -> str:
        """What of it is no call that was told."""
        return "".join(self._parts)[self._reader.consumed if self.has_called else 0 :]

    def read(self, text: str) -> list[CallEvent]:
        self._parts.append(text)
        events: list[CallEvent] = []
        while text and not self.is_too_long:
            room = MAX_TOOL_CALL_CHARACTERS - (self._size - self._reader.consumed)
            part, text = text[:room], text[room:]
            self._size += len(part)
            events += self._try(partial(self._reader.feed, part))
            self.is_too_long = not part
        return events

    def finish(self) -> list[CallEvent]:
        return self._try(self._reader.finish)

    def _try(self, step: Callable[[], None]) -> list[CallEvent]:
        """What is told after something is no call stays untold."""
        if self._is_broken:
            return []
        try:
            step()
        except NotACall:
            self._is_broken = True
        return self._telling.take()


def name_tools(tools: Sequence[JsonValue]) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    """Each tool's name, and the schemas of its arguments by name."""
    for tool in tools:
        inner = tool.get("function") if isinstance(tool, dict) else None
        function = inner if isinstance(inner, dict) else tool
        if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
            continue
        parameters = function.get("parameters")
        properties = parameters.get("properties") if isinstance(parameters, dict) else None
        yield name, properties if isinstance(properties, dict) else {}
