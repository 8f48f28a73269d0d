"""Calls as Gemma writes them: `call:name{key:<escape>text<escape>,other:[1,null]}`. Pure."""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_REQUEST_DEPTH, MAX_TOOL_CALLS

_NAME: Final = re.compile(r"call:([\w.\-]{1,64})\s*", re.ASCII)
_KEY: Final = re.compile(r"\s*([^\s:,{}\[\]]{1,256})\s*:\s*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?(?![\w.])", re.ASCII)
_BARE: Final = re.compile(r"[^,{}\[\]]{1,4096}")
_WORDS: Final = {"true": True, "false": False, "null": None, "None": None, "True": True, "False": False}


class GemmaUnfit(ValueError):
    """It is no such text."""


def read_gemma(text: str, quote: str) -> list[tuple[str, dict[str, JsonValue]]]:
    """The name of each call and its arguments. `quote`: what stands around texts. Raises GemmaUnfit."""
    reader = _Reader(text, quote)
    calls: list[tuple[str, dict[str, JsonValue]]] = []
    while not reader.is_over():
        if len(calls) == MAX_TOOL_CALLS:
            raise GemmaUnfit
        calls.append((reader.match(_NAME), reader.read_object(0)))
    return calls


class _Reader:
    """One place in a text, which only goes forward."""

    def __init__(self, text: str, quote: str) -> None:
        self._text: Final = text
        self._quote: Final = quote
        self._place = 0

    def is_over(self) -> bool:
        self._skip()
        return self._place == len(self._text)

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._place)
        if found is None:
            raise GemmaUnfit
        self._place = found.end()
        return found[1] if pattern.groups else found[0]

    def read_object(self, depth: int) -> dict[str, JsonValue]:
        self._expect("{")
        fields: dict[str, JsonValue] = {}
        while not self._take("}"):
            if fields:
                self._expect(",")
            key = self._read_text() if self._take(self._quote) else ""
            if key:
                self._expect(":")
            else:
                key = self.match(_KEY)
            if key in fields:
                raise GemmaUnfit
            fields[key] = self._read_value(depth + 1)
        return fields

    def _read_value(self, depth: int) -> JsonValue:
        if depth > MAX_REQUEST_DEPTH:
            raise GemmaUnfit
        if self._take(self._quote):
            return self._read_text()
        if self._text.startswith("{", self._place):
            return self.read_object(depth)
        if self._take("["):
            return self._read_list(depth)
        if _NUMBER.match(self._text, self._place):
            return _parse_number(self.match(_NUMBER))
        bare = self.match(_BARE).strip()
        return _WORDS.get(bare, bare)

    def _read_list(self, depth: int) -> list[JsonValue]:
        values: list[JsonValue] = []
        while not self._take("]"):
            if values:
                self._expect(",")
            self._skip()
            values.append(self._read_value(depth + 1))
        return values

    def _read_text(self) -> str:
        """Up to the next quote: nothing escapes one."""
        end = self._text.find(self._quote, self._place)
        if end < 0:
            raise GemmaUnfit
        text, self._place = self._text[self._place : end], end + len(self._quote)
        return text

    def _take(self, mark: str) -> bool:
        self._skip()
        if not self._text.startswith(mark, self._place):
            return False
        self._place += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise GemmaUnfit

    def _skip(self) -> None:
        while self._text[self._place : self._place + 1].isspace():
            self._place += 1


def _parse_number(digits: str) -> JsonValue:
    return int(digits) if digits.lstrip("-").isdecimal() else float(digits)
