"""Calls in JSON, one or a list of them, told while they come: `{"name": ..., "arguments": {...}}`. Pure."""

from __future__ import annotations

import json
from typing import Final

from ostiary.answer.make_calls import NotACall, make_call, make_call_from, parse_call_json
from ostiary.answer.said import Tools
from ostiary.answer.scan_json import PLAIN, JsonScanner, JsonUnfit
from ostiary.answer.telling import Telling
from ostiary.core.requests import ToolCall

_ARGUMENTS: Final = ("arguments", "parameters")
_BETWEEN: Final = " \t\n\r,]"


class ObjectReader:
    """Of arguments, from the brace that opens them to the one that closes them, without the white space between."""

    def __init__(self) -> None:
        self._parts: Final[list[str]] = []
        self._told = 0
        self.is_whole = False

    @property
    def is_begun(self) -> bool:
        return bool(self._parts)

    @property
    def text(self) -> str:
        """So far."""
        return "".join(self._parts)

    def add(self, certain: str, *, is_whole: bool) -> None:
        self._parts.append(certain)
        self.is_whole = is_whole

    def tell(self, telling: Telling) -> None:
        """What is new, but for the last brace."""
        text = "".join(self._parts[self._told :])
        self._told = len(self._parts)
        if self.is_whole:
            text = text[:-1]
        telling.tell(text)


class _Item:
    """One call, as far as it came."""

    def __init__(self) -> None:
        self.raw: Final[list[str]] = []
        self.name = ""
        self.name_parts: list[str] | None = None
        """While it is being read."""
        self.arguments: ObjectReader | None = None


class JsonCallReader:
    """Of one body. `consumed`: how many of its characters are calls that were told as a whole."""

    def __init__(self, tools: Tools, telling: Telling) -> None:
        self._tools: Final = tools
        self._telling: Final = telling
        self._scanner: Final = JsonScanner()
        self._base = 1
        """How deep the fields of a call are."""
        self._item = _Item()
        self._seen = 0
        self.consumed = 0

    def feed(self, text: str) -> None:
        """Raises NotACall."""
        place = 0
        while place < len(text):
            run = PLAIN.match(text, place) if self._scanner.is_in_string else None
            part = text[place] if run is None else run[0]
            try:
                self._take(part, is_run=run is not None)
            except JsonUnfit as error:
                raise NotACall from error
            place += len(part)
        if self._telling.is_begun and self._item.arguments is not None:
            self._item.arguments.tell(self._telling)

    def finish(self) -> None:
        """Raises NotACall where something is left that is no call."""
        if self._base == 1 and self._scanner.is_over:
            self._end_call()
        if "".join(self._item.raw).strip(_BETWEEN):
            raise NotACall

    def _take(self, part: str, *, is_run: bool) -> None:
        scanner, item = self._scanner, self._item
        depth, expects = scanner.depth, scanner.expects_value
        certain = scanner.take_plain(part) if is_run else scanner.take(part)
        item.raw.append(part)
        self._seen += len(part)
        if depth == self._base - 1 and expects and part.strip():
            self._begin_item(part)
        elif depth == self._base and expects and certain:
            self._begin_field(part)
        elif item.name_parts is not None:
            item.name_parts.append(certain)
            if part == '"' and certain and not scanner.is_in_string:
                item.name, item.name_parts = json.loads("".join(item.name_parts)), None
        if item.arguments is not None and not item.arguments.is_whole and certain:
            item.arguments.add(certain, is_whole=scanner.depth == self._base)
        if self._base == 2 and scanner.depth == 1 and depth == 2:
            self._end_call()

    def _begin_item(self, first: str) -> None:
        if first == "[" and self._base == 1:
            self._base = 2
        elif first != "{" and (first != "]" or self._base == 1):
            raise NotACall

    def _begin_field(self, first: str) -> None:
        item, key = self._item, self._scanner.key
        if key == "name" and first == '"':
            item.name_parts = [first]
        elif key in _ARGUMENTS and first == "{" and item.arguments is None:
            item.arguments = ObjectReader()
            if item.name in self._tools:
                self._telling.begin(item.name)

    def _end_call(self) -> None:
        item, self._item = self._item, _Item()
        told = item.arguments
        call = make_call_from(parse_call_json("".join(item.raw).lstrip(_BETWEEN + "[")), self._tools)
        if told is not None and told.is_whole:
            call = ToolCall(call.name, told.text)
        if told is not None and self._telling.is_begun:
            told.tell(self._telling)
            self._telling.tell(call.arguments[-1:])
            self._telling.end(call)
        else:
            self._telling.tell_whole(call)
        self.consumed = self._seen


class NamedCallReader:
    """Of one call whose name is known: its arguments, and nothing behind them."""

    def __init__(self, name: str, tools: Tools, telling: Telling) -> None:
        """Raises NotACall."""
        if name not in tools:
            raise NotACall
        self._name: Final = name
        self._tools: Final = tools
        self._telling: Final = telling
        self._scanner: Final = JsonScanner()
        self._raw: Final[list[str]] = []
        self._object: Final = ObjectReader()
        telling.begin(name)

    @property
    def is_over(self) -> bool:
        return self._object.is_whole

    def feed(self, text: str) -> str:
        """Returns what is behind the call. Raises NotACall."""
        place = 0
        while place < len(text) and not self._object.is_whole:
            run = PLAIN.match(text, place) if self._scanner.is_in_string else None
            part = text[place] if run is None else run[0]
            place += len(part)
            try:
                certain = self._scanner.take(part) if run is None else self._scanner.take_plain(part)
            except JsonUnfit as error:
                raise NotACall from error
            self._raw.append(part)
            if not certain and not self._scanner.depth and part.strip():
                raise NotACall
            if certain:
                if certain[0] != "{" and not self._object.is_begun:
                    raise NotACall
                self._object.add(certain, is_whole=self._scanner.is_over)
        self._object.tell(self._telling)
        if self._object.is_whole:
            make_call(self._name, parse_call_json("".join(self._raw)), self._tools)
            self._telling.tell("}")
            self._telling.end(ToolCall(self._name, self._object.text))
        return text[place:]
