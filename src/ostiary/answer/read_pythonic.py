"""Calls that are written as Python would: `[name(key="value", other=[1, None])]`. Pure; nothing is evaluated."""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_REQUEST_DEPTH, MAX_TOOL_CALLS

_NAME: Final = re.compile(r"[A-Za-z_][\w.\-]{0,63}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z_]\w{0,255}", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z]{1,8}", re.ASCII)
_SPACE: Final = re.compile(r"\s*")
_WORDS: Final = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "/": "/"}


class PythonicUnfit(ValueError):
    """It is no such text."""


def read_pythonic(text: str) -> list[tuple[str, dict[str, JsonValue]]]:
    """The name of each call and its arguments. Raises PythonicUnfit."""
    reader = _Reader(text)
    calls: list[tuple[str, dict[str, JsonValue]]] = []
    reader.expect("[")
    while True:
        calls.append(reader.read_call())
        if len(calls) > MAX_TOOL_CALLS:
            raise PythonicUnfit
        if not reader.take(","):
            break
    reader.expect("]")
    reader.expect_end()
    return calls


class _Reader:
    """One place in a text, which only goes forward."""

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._place = 0

    def read_call(self) -> tuple[str, dict[str, JsonValue]]:
        name = self._match(_NAME)
        self.expect("(")
        arguments: dict[str, JsonValue] = {}
        while not self.take(")"):
            if arguments:
                self.expect(",")
            key = self._match(_KEY)
            self.expect("=")
            if key in arguments:
                raise PythonicUnfit
            arguments[key] = self._read_value(0)
        return name, arguments

    def take(self, mark: str) -> bool:
        """Whether it is next; then it is behind us."""
        self._skip()
        if not self._text.startswith(mark, self._place):
            return False
        self._place += len(mark)
        return True

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise PythonicUnfit

    def expect_end(self) -> None:
        self._skip()
        if self._place != len(self._text):
            raise PythonicUnfit

    def _read_value(self, depth: int) -> JsonValue:
        if depth > MAX_REQUEST_DEPTH:
            raise PythonicUnfit
        for quote in ('"', "'"):
            if self.take(quote):
                return self._read_text(quote)
        if self.take("["):
            return self._read_list(depth)
        if self.take("{"):
            return self._read_object(depth)
        number = _NUMBER.match(self._text, self._place)
        if number is not None:
            self._place = number.end()
            return _parse_number(number[0])
        word = self._match(_WORD)
        if word not in _WORDS:
            raise PythonicUnfit
        return _WORDS[word]

    def _read_list(self, depth: int) -> JsonValue:
        items: list[JsonValue] = []
        while not self.take("]"):
            if items:
                self.expect(",")
            items.append(self._read_value(depth + 1))
        return items

    def _read_object(self, depth: int) -> JsonValue:
        made: dict[str, JsonValue] = {}
        while not self.take("}"):
            if made:
                self.expect(",")
            quote = '"' if self.take('"') else "'"
            if quote == "'":
                self.expect("'")
            key = self._read_text(quote)
            self.expect(":")
            if key in made:
                raise PythonicUnfit
            made[key] = self._read_value(depth + 1)
        return made

    def _read_text(self, quote: str) -> str:
        """Behind its first quote."""
        parts: list[str] = []
        text = self._text
        while True:
            end = next((at for at in range(self._place, len(text)) if text[at] in (quote, "\\")), None)
            if end is None:
                raise PythonicUnfit
            parts.append(text[self._place : end])
            self._place = end + 1
            if text[end] == quote:
                return "".join(parts)
            parts.append(self._read_escape())

    def _read_escape(self) -> str:
        letter = self._text[self._place : self._place + 1]
        if letter == "u":
            digits = self._text[self._place + 1 : self._place + 5]
            if re.fullmatch("[0-9a-fA-F]{4}", digits) is None or "d8" <= digits[:2].lower() <= "df":
                raise PythonicUnfit
            self._place += 5
            return chr(int(digits, 16))
        if letter not in _ESCAPES:
            raise PythonicUnfit
        self._place += 1
        return _ESCAPES[letter]

    def _match(self, pattern: re.Pattern[str]) -> str:
        self._skip()
        found = pattern.match(self._text, self._place)
        if found is None:
            raise PythonicUnfit
        self._place = found.end()
        return found[0]

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._place)
        self._place = self._place if space is None else space.end()


def _parse_number(digits: str) -> JsonValue:
    if digits.lstrip("-").isdecimal():
        return int(digits)
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise PythonicUnfit
    return value
