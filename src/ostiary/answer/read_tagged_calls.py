"""Calls whose arguments stand in tags, one after the other, told while they come. Pure."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from ostiary.answer.make_calls import NotACall, parse_call_json, write_json
from ostiary.answer.said import Tools
from ostiary.answer.telling import Telling
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_SCHEMA_PROPERTIES
from ostiary.core.requests import ToolCall
from ostiary.core.values import dataclass

_MOST_OF_A_HEAD: Final = 512
"""Characters: of a name, or of a key with what stands beside it."""
_LONGEST_MARK: Final = 32
_CDATA: Final = ("<![CDATA[", "]]>")


class Trim(Enum):
    """What of a value is white space of the form."""

    NOTHING = auto()
    ONE_LINE = auto()
    """One line end before it and one behind it."""
    ALL = auto()


@dataclass(frozen=True, slots=True)
class TagForm:
    """How one family writes the inside of a call."""

    head: re.Pattern[str]
    """What stands before the arguments. Its group: the name of the tool."""
    head_end: str
    """Empty: it ends where the first argument begins."""
    key_begin: str
    key: re.Pattern[str]
    """What stands between that and the value. Its group: the key."""
    key_end: str
    value_end: str
    tail: str
    """Behind the last argument."""
    trim: Trim
    has_cdata: bool = False
    """Whether a value may be quoted as XML does it, which only its end shows."""


_QUOTED: Final = r"\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]+))\s*"

QWEN_CODER: Final = TagForm(
    re.compile(r"\s*<function=([^>]*)"),
    ">",
    "<parameter=",
    re.compile(r"([^>]*)"),
    ">",
    "</parameter>",
    "</function>",
    Trim.ONE_LINE,
)
GLM: Final = TagForm(
    re.compile(r"([^<]*)"),
    "",
    "<arg_key>",
    re.compile(r"(.*)</arg_key>\s*", re.DOTALL),
    "<arg_value>",
    "</arg_value>",
    "",
    Trim.NOTHING,
)
LONGCAT: Final = TagForm(
    re.compile(r"([^<]*)"),
    "",
    "<longcat_arg_key>",
    re.compile(r"(.*)</longcat_arg_key>\s*", re.DOTALL),
    "<longcat_arg_value>",
    "</longcat_arg_value>",
    "",
    Trim.ALL,
)
MINIMAX: Final = TagForm(
    re.compile(rf"\s*<invoke name={_QUOTED}"),
    ">",
    "<parameter name=",
    re.compile(_QUOTED),
    ">",
    "</parameter>",
    "</invoke>",
    Trim.ALL,
)
MINICPM: Final = TagForm(
    re.compile(_QUOTED),
    ">",
    "<param name=",
    re.compile(_QUOTED),
    ">",
    "</param>",
    "",
    Trim.ALL,
    has_cdata=True,
)
MUSE: Final = TagForm(
    re.compile(r"\s*<atem:invoke\b[^>]*?\bname=\"([^\">]+)\"\s*"),
    ">",
    "<atem:parameter",
    re.compile(r"\s[^>]*?\bname=\"([^\">]+)\"[^>]*"),
    ">",
    "</atem:parameter>",
    "</atem:invoke>",
    Trim.ALL,
)


class _State(Enum):
    HEAD = auto()
    BETWEEN = auto()
    KEY = auto()
    VALUE = auto()
    OVER = auto()


class TagCallReader:
    """Of one call."""

    def __init__(self, form: TagForm, tools: Tools, telling: Telling) -> None:
        self._form: Final = form
        self._tools: Final = tools
        self._telling: Final = telling
        self._state = _State.HEAD
        self._held = ""
        """Of a head, of a mark between arguments, or the end of a value, where its end may have begun."""
        self._name = ""
        self._keys: Final[set[str]] = set()
        self._told: Final[list[str]] = []
        self._value: list[str] = []
        """Of a value whose type only the whole shows; or white space that is its end, perhaps."""
        self._is_text = False
        """Whether the schema says that a value is a text."""
        self._flows = False
        """Whether it is told as it comes."""
        self._is_begun = False
        """Whether something of a value that flows has come."""

    @property
    def is_told(self) -> bool:
        """Its end mark is what makes it whole."""
        return self.is_over

    @property
    def is_over(self) -> bool:
        return self._state is _State.OVER

    def feed(self, text: str) -> str:
        """Returns what is behind the call. Raises NotACall."""
        steps = {
            _State.HEAD: self._take_head,
            _State.BETWEEN: self._take_between,
            _State.KEY: self._take_key,
            _State.VALUE: self._take_value,
        }
        while text and self._state is not _State.OVER:
            text = steps[self._state](text)
        return text

    def finish(self) -> None:
        """Where the end of its body is the end of the call. Raises NotACall."""
        if self._state is _State.HEAD and not self._form.head_end:
            self._begin(self._held)
            self._held = ""
        if self._state is not _State.BETWEEN or self._form.tail or self._held.strip():
            raise NotACall
        self._end()

    def _take_head(self, text: str) -> str:
        form = self._form
        seen = self._held + text
        mark = form.head_end or form.key_begin
        place = seen.find(mark)
        if place < 0:
            return self._hold(seen)
        self._begin(seen[:place])
        return seen[place + len(form.head_end) :]

    def _begin(self, head: str) -> None:
        match = self._form.head.fullmatch(head) if len(head) <= _MOST_OF_A_HEAD else None
        name = "" if match is None else _read_name(match)
        if name not in self._tools:
            raise NotACall
        self._name, self._held, self._state = name, "", _State.BETWEEN
        self._telling.begin(name)
        self._tell("{")

    def _take_between(self, text: str) -> str:
        form = self._form
        seen = (self._held + text).lstrip()
        if seen.startswith(form.key_begin):
            self._held, self._state = "", _State.KEY
            return seen[len(form.key_begin) :]
        if form.tail and seen.startswith(form.tail):
            self._end()
            return seen[len(form.tail) :]
        if not form.key_begin.startswith(seen) and not form.tail.startswith(seen):
            raise NotACall
        self._held = seen
        return ""

    def _take_key(self, text: str) -> str:
        form = self._form
        seen = self._held + text
        place = seen.find(form.key_end)
        if place < 0:
            return self._hold(seen)
        match = form.key.fullmatch(seen[:place]) if place <= _MOST_OF_A_HEAD else None
        key = "" if match is None else _read_name(match)
        if not key or key in self._keys or len(self._keys) == MAX_SCHEMA_PROPERTIES:
            raise NotACall
        comma = "," if self._keys else ""
        self._keys.add(key)
        self._held, self._value, self._is_begun = "", [], False
        schema = self._tools[self._name].get(key)
        self._is_text = isinstance(schema, dict) and schema.get("type") == "string"
        self._flows = self._is_text and not form.has_cdata
        self._state = _State.VALUE
        self._tell(f"{comma}{write_json(key)}:" + ('"' if self._flows else ""))
        return seen[place + len(form.key_end) :]

    def _take_value(self, text: str) -> str:
        end = self._form.value_end
        seen = self._held + text
        place = seen.find(end)
        if place < 0:
            keep = count_begun(seen, end)
            self._held = seen[len(seen) - keep :]
            self._add(seen[: len(seen) - keep])
            return ""
        self._held = ""
        self._add(seen[:place])
        self._end_value()
        self._state = _State.BETWEEN
        return seen[place + len(end) :]

    def _add(self, text: str) -> None:
        if not text:
            return
        if not self._flows:
            self._value.append(text)
            return
        trim = self._form.trim
        if not self._is_begun:
            if trim is Trim.ALL:
                text = text.lstrip()
            elif trim is Trim.ONE_LINE:
                text = text.removeprefix("\n")
            self._is_begun = bool(text) or trim is not Trim.ALL
            if not text:
                return
        bare = {Trim.ALL: text.rstrip(), Trim.ONE_LINE: text.removesuffix("\n"), Trim.NOTHING: text}[trim]
        if bare:
            self._tell(write_json("".join((*self._value, bare)))[1:-1])
            self._value = [text[len(bare) :]]
        elif trim is Trim.ONE_LINE:
            self._tell(write_json("".join(self._value))[1:-1])
            self._value = [text]
        else:
            self._value.append(text)

    def _end_value(self) -> None:
        if self._flows:
            self._tell('"')
            return
        value = "".join(self._value)
        match self._form.trim:
            case Trim.ALL:
                value = value.strip()
            case Trim.ONE_LINE:
                value = value.removeprefix("\n").removesuffix("\n")
        is_quoted = self._form.has_cdata and value.startswith(_CDATA[0]) and value.endswith(_CDATA[1])
        if is_quoted:
            value = value[len(_CDATA[0]) : -len(_CDATA[1])]
        self._tell(write_json(value if self._is_text else _read_value(value)))

    def _hold(self, seen: str) -> str:
        if len(seen) > _MOST_OF_A_HEAD + _LONGEST_MARK:
            raise NotACall
        self._held = seen
        return ""

    def _tell(self, text: str) -> None:
        self._told.append(text)
        self._telling.tell(text)

    def _end(self) -> None:
        self._tell("}")
        self._telling.end(ToolCall(self._name, "".join(self._told)))
        self._state = _State.OVER


def _read_name(match: re.Match[str]) -> str:
    return next((group for group in match.groups() if group is not None), "").strip()


def _read_value(value: str) -> JsonValue:
    """A text where it is nothing else."""
    try:
        return parse_call_json(value.strip())
    except NotACall:
        return value


def count_begun(seen: str, marker: str) -> int:
    """How many characters at the end of `seen` are the beginning of `marker`."""
    for size in range(min(len(marker) - 1, len(seen)), 0, -1):
        if seen.endswith(marker[:size]):
            return size
    return 0
