"""An answer in channels, as gpt-oss writes it, split into thoughts, texts and calls, piece by piece. Pure.

Messages follow one another, each with a head: `<|channel|>analysis<|message|>thoughts<|end|><|start|>assistant`,
then `<|channel|>final<|message|>text`. One with a recipient (`to=functions.name`, before its channel or behind it)
is a call where that tool was offered; else it is the text that it is, head and all. What does not begin as a
message is text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final

from ostiary.answer.make_calls import NotACall
from ostiary.answer.read_json_calls import NamedCallReader
from ostiary.answer.read_tagged_calls import count_begun
from ostiary.answer.said import CallBroken, Said, Thought, Tools
from ostiary.answer.telling import Telling
from ostiary.answer.tools import name_tools
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_TOOL_CALL_CHARACTERS, MAX_TOOL_CALLS

_MESSAGE: Final = "<|message|>"
_BEGINS: Final = ("<|start|>", "<|channel|>")
_RECIPIENT: Final = "to=functions."
_ENDS: Final = ("<|end|>", "<|return|>", "<|call|>", *_BEGINS)
_END: Final = re.compile("|".join(map(re.escape, _ENDS)))
_TO: Final = re.compile(r"(?<!\S)to=(\S+)")
_MOST_OF_A_HEAD: Final = 512
"""Characters: of a channel, a recipient and what stands beside them."""
_BETWEEN: Final = "\n\n"
"""What is said between two messages of one kind."""


class _Kind(Enum):
    """Of a message."""

    THOUGHT = "thought"
    TEXT = "text"
    AS_IT_STANDS = "as it stands"


class HarmonySplitter:
    """Of one answer. Holds back heads, and what may be the beginning of a mark."""

    def __init__(self, tools: Sequence[JsonValue], *, is_begun: bool) -> None:
        """`tools`: as they were offered. `is_begun`: whether the prompt ends within a thought."""
        self._tools: Final = dict(name_tools(tools))
        self._kind: _Kind | _Call | None = _Kind.THOUGHT if is_begun else None
        """Of the message that is going on; None: a head is."""
        self._held = ""
        self._has_said: Final[set[bool]] = set()
        """Whether there was a thought (True), a text (False)."""
        self._is_new = True
        """Nothing of this message was said."""
        self.calls = 0

    def feed(self, text: str) -> list[Said]:
        """What is certain now."""
        said: list[Said] = []
        while text:
            text = self._take_head(text, said) if self._kind is None else self._take_body(text, said)
        return said

    def finish(self) -> list[Said]:
        """What was held back, now that no more text comes. A head without a message says nothing."""
        said: list[Said] = []
        held, self._held = self._held, ""
        if self._kind is None and not held.lstrip().startswith(_BEGINS) and (held.strip() or not self._has_said):
            self._begin(_Kind.TEXT)
        if self._kind is not None:
            self._read(held, said)
            self._end("", said)
        return said

    def _take_head(self, text: str, said: list[Said]) -> str:
        """Returns what is left to look at."""
        seen, self._held = self._held + text, ""
        bare = seen[:_MOST_OF_A_HEAD].lstrip()
        if not any(bare.startswith(begin[: len(bare)]) for begin in (*_BEGINS, _RECIPIENT)):
            self._begin(_Kind.TEXT)
            return seen
        place = seen.find(_MESSAGE, 0, _MOST_OF_A_HEAD)
        if place >= 0:
            self._open(seen[: place + len(_MESSAGE)], said)
            return seen[place + len(_MESSAGE) :]
        if len(seen) < _MOST_OF_A_HEAD:
            self._held = seen
            return ""
        mark = len(seen) - len(seen.lstrip()) + len(_BEGINS[0])  # past which it cannot be taken for a head again
        self._begin(_Kind.AS_IT_STANDS)
        self._read(seen[:mark], said)
        return seen[mark:]

    def _open(self, head: str, said: list[Said]) -> None:
        words = head.removesuffix(_MESSAGE).replace("<|constrain|>", " ")
        before, _, behind = words.rpartition("<|channel|>")
        to = _TO.search(f"{before.removeprefix('<|start|>')} {behind}")
        if to is None:
            self._begin(_Kind.THOUGHT if behind.split()[:1] == ["analysis"] else _Kind.TEXT)
            return
        name = to[1].removeprefix("functions.")
        try:
            self._begin(_Call(name, self._tools, MAX_TOOL_CALLS - self.calls, head))
        except NotACall:
            self._begin(_Kind.AS_IT_STANDS)
            self._read(head, said)

    def _begin(self, kind: _Kind | _Call) -> None:
        self._kind, self._is_new = kind, True

    def _take_body(self, text: str, said: list[Said]) -> str:
        seen, self._held = self._held + text, ""
        found = _END.search(seen)
        if found is None:
            keep = max(count_begun(seen, end) for end in _ENDS)
            self._held = seen[len(seen) - keep :]
            self._read(seen[: len(seen) - keep], said)
            return ""
        self._read(seen[: found.start()], said)
        if found[0] in _BEGINS:  # its end was forgotten
            self._end("", said)
            return seen[found.start() :]
        self._end(found[0], said)
        return seen[found.end() :]

    def _read(self, text: str, said: list[Said]) -> None:
        if isinstance(self._kind, _Call):
            self._kind.read(text, said)
        elif text:
            self._say(text, said, is_thought=self._kind is _Kind.THOUGHT)

    def _end(self, mark: str, said: list[Said]) -> None:
        kind, self._kind = self._kind, None
        if isinstance(kind, _Call):
            self.calls += kind.calls
            rest = kind.finish(mark, said)
            if rest:
                self._begin(_Kind.AS_IT_STANDS)
                self._say(rest, said, is_thought=False)
                self._kind = None
        elif kind is _Kind.AS_IT_STANDS and mark:
            self._say(mark, said, is_thought=False)

    def _say(self, text: str, said: list[Said], *, is_thought: bool) -> None:
        if self._is_new and is_thought in self._has_said:
            text = _BETWEEN + text
        self._is_new = False
        self._has_said.add(is_thought)
        said.append(Thought(text) if is_thought else text)


class _Call:
    """What came of a message with a recipient."""

    def __init__(self, name: str, tools: Tools, room: int, head: str) -> None:
        """Raises NotACall where no such tool was offered, or there are as many calls as there may be."""
        self._telling: Final = Telling(room)
        self._reader: Final = NamedCallReader(name, tools, self._telling)
        self._head: Final = head
        self._parts: Final[list[str]] = []
        self._size = 0
        self._is_broken = False
        self._is_whole = False

    @property
    def calls(self) -> int:
        return self._telling.calls

    def read(self, text: str, said: list[Said]) -> None:
        if self._is_broken or self._is_whole:
            self._parts.append(text)
            return
        room = MAX_TOOL_CALL_CHARACTERS - self._size
        self._size += len(text)
        behind = self._try(text[:room])
        said += self._telling.take()
        self._is_whole = behind is not None and self._reader.is_over
        self._is_broken = behind is None or (not self._is_whole and len(text) > room)
        if self._is_whole:
            self._parts.clear()
        self._parts.append(f"{behind}{text[room:]}" if self._is_whole else text)

    def _try(self, text: str) -> str | None:
        """What is behind the call; None: it is no call."""
        try:
            return self._reader.feed(text)
        except NotACall:
            return None

    def finish(self, mark: str, said: list[Said]) -> str:
        """What of it is no call."""
        if self._is_whole:
            return "".join(self._parts).strip()
        if self._telling.is_begun:
            said.append(CallBroken())
        return f"{self._head}{''.join(self._parts)}{mark}"
