"""An answer split into what it says and which tools it calls, piece by piece. Pure.

Any text comes out as calls or as the text that it is: what looks like a call and is none, is too long, or names a
tool that was not offered, is text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from ostiary.answer.read_tool_calls import read_tool_calls
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS
from ostiary.core.requests import ToolCall
from ostiary.core.tool_styles import MARKERS, ToolStyle

Said: TypeAlias = "str | ToolCall"
Properties: TypeAlias = Mapping[str, JsonValue]


class ToolSplitter:
    """Of one answer. Text that may become a call is held back until that is known."""

    def __init__(self, style: ToolStyle, tools: Sequence[JsonValue]) -> None:
        """`tools`: as they were offered."""
        self._style: Final = style
        self._markers: Final = MARKERS[style]
        self._tools: Final = dict(_name_tools(tools))
        self._held = ""
        """Text outside of a call: the beginning of a marker, perhaps."""
        self._space = ""
        """White space that is said only if text follows: beside calls it means nothing."""
        self._inside: list[str] | None = None
        """A call, as far as it came, without its marker."""
        self._size = 0
        self._tail = ""
        """The end of it, where its end marker may have begun."""
        self._is_text = not self._tools
        """Nothing that follows can be a call."""
        self.calls = 0

    def feed(self, text: str) -> list[Said]:
        """What is certain now."""
        said: list[Said] = []
        while text:
            text = self._take_inside(text, said) if self._inside is not None else self._take_text(text, said)
        return said

    def finish(self) -> list[Said]:
        """What was held back, now that no more text comes."""
        said: list[Said] = []
        if self._inside is not None:
            self._close("", said)
        held, self._held = self._held, ""
        self._say(held, said)
        if self._space and not self.calls:
            said.append(self._space)
        self._space = ""
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
            keep = _count_begun(seen, self._markers.begin)
            self._held = seen[len(seen) - keep :]
            self._say(seen[: len(seen) - keep], said)
            return ""
        self._held = ""
        self._say(seen[:place], said)
        self._open()
        return seen[place + len(self._markers.begin) :]

    def _take_beginning(self, text: str, said: list[Said]) -> str:
        """Where the whole answer is a call or none: its first character tells."""
        seen = self._held + text
        begun = seen.lstrip()
        if not begun:
            self._held = seen
            return ""
        self._held = ""
        if begun[0] not in "{[":
            self._is_text = True
            self._say(seen, said)
            return ""
        self._open()
        return seen

    def _take_inside(self, text: str, said: list[Said]) -> str:
        end, inside = self._markers.end, self._inside or []
        self._inside = inside
        self._size += len(text)
        seen = self._tail + text
        place = seen.find(end) if end else -1
        if place >= 0:
            whole = "".join((*inside, text))
            cut = len(whole) - len(seen) + place
            self._inside = [whole[:cut]]
            self._close(end, said)
            return whole[cut + len(end) :]
        inside.append(text)
        self._tail = seen[max(0, len(seen) - len(end) + 1) :] if end else ""
        if self._size > MAX_TOOL_CALL_CHARACTERS:
            self._give_up("", said)
            self._is_text = True
        return ""

    def _open(self) -> None:
        self._inside, self._size, self._tail = [], 0, ""

    def _close(self, end: str, said: list[Said]) -> None:
        body = "".join(self._inside or ())
        calls = read_tool_calls(self._style, body, self._tools)
        if calls is None or self.calls + len(calls) > MAX_TOOL_CALLS:
            self._give_up(end, said)
            return
        self._inside = None
        self._space = ""
        self.calls += len(calls)
        said += calls

    def _give_up(self, end: str, said: list[Said]) -> None:
        body, self._inside = "".join(self._inside or ()), None
        self._say(f"{self._markers.begin}{body}{end}", said)

    def _say(self, text: str, said: list[Said]) -> None:
        if not text:
            return
        bare = text.rstrip()
        if not bare:
            self._space += text
            return
        said.append(self._space + bare)
        self._space = text[len(bare) :]


def _count_begun(seen: str, marker: str) -> int:
    """How many characters at the end of `seen` are the beginning of `marker`."""
    for size in range(min(len(marker) - 1, len(seen)), 0, -1):
        if seen.endswith(marker[:size]):
            return size
    return 0


def _name_tools(tools: Sequence[JsonValue]) -> Iterator[tuple[str, Properties]]:
    """Each tool's name, and the schemas of its arguments by name."""
    for tool in tools:
        inner = tool.get("function") if isinstance(tool, dict) else None
        function = inner if isinstance(inner, dict) else tool
        if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
            continue
        parameters = function.get("parameters")
        properties = parameters.get("properties") if isinstance(parameters, dict) else None
        yield name, properties if isinstance(properties, dict) else {}
