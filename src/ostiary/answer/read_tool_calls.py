"""What stands within the markers of a call, read in the manner of each style, while it comes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from ostiary.answer.make_calls import NotACall, make_call
from ostiary.answer.read_gemma import GemmaUnfit, read_gemma
from ostiary.answer.read_json_calls import JsonCallReader, NamedCallReader
from ostiary.answer.read_pythonic import PythonicUnfit, read_pythonic
from ostiary.answer.read_tagged_calls import (
    GLM,
    LONGCAT,
    MINICPM,
    MINIMAX,
    MUSE,
    QWEN_CODER,
    TagCallReader,
    TagForm,
)
from ostiary.answer.said import Tools
from ostiary.answer.telling import Telling
from ostiary.core.json_text import JsonValue
from ostiary.core.tool_styles import MARKERS, ToolStyle

_TAGS: Final[Mapping[ToolStyle, TagForm]] = {
    ToolStyle.QWEN_CODER: QWEN_CODER,
    ToolStyle.SEED: QWEN_CODER,
    ToolStyle.GLM: GLM,
    ToolStyle.LONGCAT: LONGCAT,
    ToolStyle.MINIMAX: MINIMAX,
    ToolStyle.MINICPM: MINICPM,
    ToolStyle.MUSE: MUSE,
}
_MOST_OF_A_HEAD: Final = 512
"""Characters: of a name with what stands beside it."""
_LONGEST_MARK: Final = 32
_BLOCK: Final = re.compile(r"\s*(\S+)\s*```(?:json)?\s*")
_END_OF_BLOCK: Final = re.compile(r"\A\s*```\s*")
_MAY_END_BLOCK: Final = re.compile(r"\s*`{0,2}")
_NO_BLOCK: Final = re.compile(r"\A\s*")


class CallReader(Protocol):
    """Of one body, piece by piece. What becomes certain is told."""

    @property
    def consumed(self) -> int:
        """How many of its characters are calls that were told as a whole."""

    def feed(self, text: str) -> None:
        """Raises NotACall: nothing of what is left is a call."""

    def finish(self) -> None:
        """No more comes. Raises NotACall where something is left that is no call."""


def begin_reading(style: ToolStyle, tools: Tools, telling: Telling) -> CallReader:
    """For what stands between the markers."""
    return _FirstLook(style, tools, telling)


class _FirstLook:
    """The first character tells how a body is written: calls in JSON are read in every style."""

    def __init__(self, style: ToolStyle, tools: Tools, telling: Telling) -> None:
        self._style: Final = style
        self._tools: Final = tools
        self._telling: Final = telling
        self._inner: CallReader | None = None
        self._skipped = 0
        self._held = ""

    @property
    def consumed(self) -> int:
        return self._skipped + self._inner.consumed if self._inner is not None and self._inner.consumed else 0

    def feed(self, text: str) -> None:
        if self._inner is None:
            if not self._held:
                begun = text.lstrip()
                self._skipped += len(text) - len(begun)
                text = begun
            text = self._held + text
            is_open = self._style is ToolStyle.PYTHONIC and text.rstrip() == "[" and len(text) < _MOST_OF_A_HEAD
            if not text or is_open:  # what follows tells
                self._held = text
                return
            self._held = ""
            self._inner = self._choose(text)
        self._inner.feed(text)

    def finish(self) -> None:
        if self._inner is None:
            raise NotACall
        self._inner.finish()

    def _choose(self, begun: str) -> CallReader:
        style, tools, telling = self._style, self._tools, self._telling
        if style is ToolStyle.PYTHONIC and begun[0] == "[":
            is_json = begun[1:_MOST_OF_A_HEAD].lstrip().startswith("{")
        else:
            is_json = begun[0] in "{["
        if is_json:
            return JsonCallReader(tools, telling)
        if style in _TAGS:
            return _Section(lambda: TagCallReader(_TAGS[style], tools, telling))
        if style is ToolStyle.KIMI:
            return _Section(lambda: _KimiCall(tools, telling))
        if style is ToolStyle.DEEPSEEK:
            return _Section(lambda: _DeepseekCall(tools, telling))
        if style is ToolStyle.MISTRAL:
            return _Section(lambda: _MistralCall(tools, telling))
        if style in _WHOLE:
            return _WholeReader(_WHOLE[style], tools, telling)
        raise NotACall


class _Call(Protocol):
    @property
    def is_told(self) -> bool:
        """Whether it was told as a whole. Its end mark may be missing yet: `feed` returned when it came to that."""

    @property
    def is_over(self) -> bool: ...

    def feed(self, text: str) -> str:
        """Returns what is behind the call."""

    def finish(self) -> None: ...


class _Section:
    """One call after the other."""

    def __init__(self, begin: Callable[[], _Call]) -> None:
        self._begin: Final = begin
        self._call: _Call | None = None
        self._seen = 0
        self.consumed = 0

    def feed(self, text: str) -> None:
        while text:
            if self._call is None:
                bare = text.lstrip()
                self._seen += len(text) - len(bare)
                if not bare:
                    return
                text, self._call = bare, self._begin()
            was_told = self._call.is_told
            rest = self._call.feed(text)
            self._seen += len(text) - len(rest)
            text = rest
            if self._call.is_over or (self._call.is_told and not was_told):
                self.consumed = self._seen
            if self._call.is_over:
                self._call = None

    def finish(self) -> None:
        if self._call is not None:
            self._call.finish()
            self._call = None
            self.consumed = self._seen


class _KimiCall:
    """`<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{...}<|tool_call_end|>`"""

    def __init__(self, tools: Tools, telling: Telling) -> None:
        self._tools: Final = tools
        self._telling: Final = telling
        self._marks: Final = MARKERS[ToolStyle.KIMI].others
        self._held = ""
        self._inner: NamedCallReader | None = None
        self.is_told = False
        self.is_over = False

    def feed(self, text: str) -> str:
        if self._inner is None:
            begin, inside, _ = self._marks
            seen = self._held + text
            if not begin.startswith(seen[: len(begin)]):
                raise NotACall
            head, found, text = seen.partition(inside)
            if len(head) > _MOST_OF_A_HEAD + (0 if found else _LONGEST_MARK):
                raise NotACall
            if not found:
                self._held = seen
                return ""
            self._held = ""
            name = head[len(begin) :].strip().removeprefix("functions.").rpartition(":")[0]
            self._inner = NamedCallReader(name, self._tools, self._telling)
        if not self.is_told:
            text = self._inner.feed(text)
            self.is_told = self._inner.is_over
            return text
        end = self._marks[2]
        seen = (self._held + text).lstrip()
        if seen.startswith(end):
            self.is_over = True
            return seen[len(end) :]
        if not end.startswith(seen):
            raise NotACall
        self._held = seen
        return ""

    def finish(self) -> None:
        if not self.is_told or self._held:
            raise NotACall


class _DeepseekCall:
    """A mark, `name`, a mark, `{...}`, a mark; or `function`, and behind the second mark the name and a block."""

    def __init__(self, tools: Tools, telling: Telling) -> None:
        self._tools: Final = tools
        self._telling: Final = telling
        self._marks: Final = MARKERS[ToolStyle.DEEPSEEK].others
        self._held = ""
        self._inner: NamedCallReader | None = None
        self._tail: re.Pattern[str] = _NO_BLOCK
        self.is_told = False
        self.is_over = False

    def feed(self, text: str) -> str:
        if self._inner is None:
            begin, inside, _ = self._marks
            seen = self._held + text
            if not begin.startswith(seen[: len(begin)]):
                raise NotACall
            head, _, rest = seen.partition("{")
            if len(head) > _MOST_OF_A_HEAD:
                raise NotACall
            if len(head) == len(seen):
                self._held = seen
                return ""
            self._held = ""
            first, _, second = head[len(begin) :].partition(inside)
            block = _BLOCK.fullmatch(second)
            if block is not None and first.strip() == "function":
                self._tail = _END_OF_BLOCK
            elif second.strip():
                raise NotACall
            name = first if block is None else block[1]
            self._inner = NamedCallReader(name.strip(), self._tools, self._telling)
            text = f"{{{rest}"
        if not self.is_told:
            text = self._inner.feed(text)
            self.is_told = self._inner.is_over
            return text
        return self._end(self._held + text)

    def _end(self, seen: str) -> str:
        end = self._marks[2]
        bare = self._tail.sub("", seen, count=1)
        if bare.startswith(end):
            self.is_over = True
            return bare[len(end) :]
        if len(seen) > _MOST_OF_A_HEAD or not (end.startswith(bare) or _MAY_END_BLOCK.fullmatch(seen)):
            raise NotACall
        self._held = seen
        return ""

    def finish(self) -> None:
        if not self.is_told or self._held:
            raise NotACall


class _MistralCall:
    """`name[ARGS]{...}`, perhaps with `[CALL_ID]id` before the arguments and the marker before the name."""

    def __init__(self, tools: Tools, telling: Telling) -> None:
        self._tools: Final = tools
        self._telling: Final = telling
        self._held = ""
        self._inner: NamedCallReader | None = None

    @property
    def is_told(self) -> bool:
        return self.is_over

    @property
    def is_over(self) -> bool:
        return self._inner is not None and self._inner.is_over

    def feed(self, text: str) -> str:
        if self._inner is None:
            head, found, text = (self._held + text).partition("[ARGS]")
            if len(head) > _MOST_OF_A_HEAD + (0 if found else _LONGEST_MARK):
                raise NotACall
            if not found:
                self._held = head
                return ""
            name = head.removeprefix(MARKERS[ToolStyle.MISTRAL].begin).partition("[CALL_ID]")[0].strip()
            self._inner = NamedCallReader(name, self._tools, self._telling)
        return self._inner.feed(text)

    def finish(self) -> None:
        raise NotACall


def _read_pythonic(body: str) -> Iterable[tuple[str, dict[str, JsonValue]]]:
    try:
        return read_pythonic(body)
    except PythonicUnfit as error:
        raise NotACall from error


def _read_gemma(quote: str) -> Callable[[str], Iterable[tuple[str, dict[str, JsonValue]]]]:
    def read(body: str) -> Iterable[tuple[str, dict[str, JsonValue]]]:
        try:
            return read_gemma(body, quote)
        except GemmaUnfit as error:
            raise NotACall from error

    return read


_WHOLE: Final = {
    ToolStyle.PYTHONIC: _read_pythonic,
    ToolStyle.GEMMA: _read_gemma("<escape>"),
    ToolStyle.GEMMA_4: _read_gemma('<|"|>'),
}


class _WholeReader:
    """Of a body that is judged when it is whole: until then, anything could follow that changes it."""

    def __init__(
        self,
        read: Callable[[str], Iterable[tuple[str, dict[str, JsonValue]]]],
        tools: Tools,
        telling: Telling,
    ) -> None:
        self._read: Final = read
        self._tools: Final = tools
        self._telling: Final = telling
        self._parts: Final[list[str]] = []
        self.consumed = 0

    def feed(self, text: str) -> None:
        self._parts.append(text)

    def finish(self) -> None:
        body = "".join(self._parts)
        calls = [make_call(name, arguments, self._tools) for name, arguments in self._read(body.strip())]
        for call in calls:
            self._telling.tell_whole(call)
        self.consumed = len(body)
