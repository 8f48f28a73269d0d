"""JSON while it comes: whether a text is the beginning of some, character by character, and how far it is certain.

As strict as core.json_text about everything that a beginning shows. What only a whole text shows (a name twice, a
number beyond bounds) is left to it.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto
from typing import Final

from ostiary.core.limits import MAX_JSON_DEPTH, MAX_JSON_NUMBER_CHARACTERS

PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]+')
"""What stands for itself within a string."""
_SPACE: Final = " \t\n\r"
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}
_SIMPLE_ESCAPES: Final = '"\\/bfnrt'
_HEX: Final = "0123456789abcdefABCDEF"
_ESCAPED_UNIT: Final = 6
_ESCAPED_PAIR: Final = 12
_NUMBER: Final = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?[0-9]*)?)?")
_WHOLE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class JsonUnfit(ValueError):
    """It is no beginning of JSON."""


class _State(Enum):
    VALUE = auto()
    FIRST_VALUE = auto()
    """A value, or the end of a list."""
    FIRST_KEY = auto()
    """A key, or the end of an object."""
    KEY = auto()
    COLON = auto()
    AFTER = auto()
    STRING = auto()
    ESCAPE = auto()
    NUMBER = auto()
    LITERAL = auto()
    END = auto()


class JsonScanner:
    """Of one value. Keys, numbers, words and escapes are certain when they are whole; texts are as they come."""

    def __init__(self) -> None:
        self._state = _State.VALUE
        self._stack: Final[list[str]] = []
        self._held: list[str] = []
        """Of a token that is certain only when it is whole."""
        self._escape = ""
        self._is_key = False
        self.key = ""
        """The last that was read."""

    @property
    def depth(self) -> int:
        return len(self._stack)

    @property
    def expects_value(self) -> bool:
        return self._state in (_State.VALUE, _State.FIRST_VALUE)

    @property
    def is_in_string(self) -> bool:
        """And not in the middle of an escape."""
        return self._state is _State.STRING

    @property
    def is_over(self) -> bool:
        return self._state is _State.END

    def take_plain(self, run: str) -> str:
        """As `take`, many characters of PLAIN at once, within a string."""
        if self._is_key:
            self._held.append(run)
            return ""
        return run

    def take(self, character: str) -> str:
        """What is certain now and was not before, without the white space between tokens. Raises JsonUnfit."""
        state = self._state
        if state is _State.STRING:
            return self._take_string(character)
        if state is _State.ESCAPE:
            return self._take_escape(character)
        if state is _State.LITERAL:
            return self._take_literal(character)
        if state is _State.NUMBER:
            number = "".join((*self._held, character))
            if len(number) <= MAX_JSON_NUMBER_CHARACTERS and _NUMBER.fullmatch(number):
                self._held.append(character)
                return ""
            return self._end_number() + self.take(character)
        if character in _SPACE:
            return ""
        if state in (_State.VALUE, _State.FIRST_VALUE):
            return self._begin_value(character)
        return self._take_mark(character)

    def _begin_value(self, character: str) -> str:
        if character == "]" and self._state is _State.FIRST_VALUE:
            return self._close(character)
        if character in "{[":
            if len(self._stack) == MAX_JSON_DEPTH:
                raise JsonUnfit
            self._stack.append(character)
            self._state = _State.FIRST_KEY if character == "{" else _State.FIRST_VALUE
            return character
        if character == '"':
            self._state, self._is_key = _State.STRING, False
            return character
        if character in _LITERALS:
            self._state, self._held = _State.LITERAL, [character]
            return ""
        if character == "-" or character in "0123456789":
            self._state, self._held = _State.NUMBER, [character]
            return ""
        raise JsonUnfit

    def _take_mark(self, character: str) -> str:
        state, inside = self._state, self._stack[-1:]
        if state in (_State.FIRST_KEY, _State.KEY) and character == '"':
            self._state, self._is_key, self._held = _State.STRING, True, [character]
            return ""
        if state is _State.COLON and character == ":":
            self._state = _State.VALUE
            return character
        if state is _State.AFTER and character == "," and inside:
            self._state = _State.KEY if inside == ["{"] else _State.VALUE
            return character
        is_end = state in (_State.AFTER, _State.FIRST_KEY) and inside == ["{" if character == "}" else "["]
        if character in "}]" and is_end:
            return self._close(character)
        raise JsonUnfit

    def _close(self, character: str) -> str:
        self._stack.pop()
        self._state = _State.AFTER if self._stack else _State.END
        return character

    def _take_string(self, character: str) -> str:
        if character < " ":
            raise JsonUnfit
        if character == "\\":
            self._state, self._escape = _State.ESCAPE, character
            return ""
        if not self._is_key:
            if character == '"':
                self._end_value()
            return character
        self._held.append(character)
        if character != '"':
            return ""
        token = "".join(self._held)
        self.key, self._state, self._is_key = json.loads(token), _State.COLON, False
        return token

    def _take_escape(self, character: str) -> str:
        """A character of the other half of Unicode is two escapes, and certain with the second."""
        escape = self._escape = self._escape + character
        place = (len(escape) - 1) % _ESCAPED_UNIT
        if len(escape) == 2 and character in _SIMPLE_ESCAPES:
            return self._end_escape(escape)
        fits = character == "\\u"[place] if place < len("\\u") else character in _HEX
        if not fits:
            raise JsonUnfit
        if len(escape) == _ESCAPED_UNIT:
            unit = int(escape[2:], 16)
            if 0xDC00 <= unit <= 0xDFFF:
                raise JsonUnfit
            return "" if 0xD800 <= unit <= 0xDBFF else self._end_escape(escape)
        if len(escape) == _ESCAPED_PAIR:
            if not 0xDC00 <= int(escape[8:], 16) <= 0xDFFF:
                raise JsonUnfit
            return self._end_escape(escape)
        return ""

    def _end_escape(self, escape: str) -> str:
        self._state, self._escape = _State.STRING, ""
        return self.take_plain(escape)

    def _take_literal(self, character: str) -> str:
        self._held.append(character)
        token = "".join(self._held)
        word = _LITERALS[token[0]]
        if not word.startswith(token):
            raise JsonUnfit
        if token != word:
            return ""
        self._end_value()
        return word

    def _end_number(self) -> str:
        number = "".join(self._held)
        if not _WHOLE_NUMBER.fullmatch(number):
            raise JsonUnfit
        self._end_value()
        return number

    def _end_value(self) -> None:
        self._state, self._held = (_State.AFTER if self._stack else _State.END), []
