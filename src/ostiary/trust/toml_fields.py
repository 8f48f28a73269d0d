"""Reads TOML strictly, table by table: every field has one type, and unknown ones are refused with their place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NoReturn, TypeVar

from ostiary.core.limits import (
    MAX_POLICY_BYTES,
    MAX_POLICY_LINE_CHARACTERS,
    MAX_POLICY_LINE_DOTS,
    MAX_POLICY_LIST_ITEMS,
    MAX_POLICY_TEXT_CHARACTERS,
)
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.errors import TRUST_MALFORMED, TRUST_TOO_LARGE, TrustRefused

_AT: Final = re.compile(r"\(at line (\d{1,9}), column (\d{1,9})\)\Z")
_LAYOUT: Final = frozenset("\n\t")

Value = TypeVar("Value")


def read_toml(data: bytes, what: str) -> Table:
    """The top table. Refuses before parsing what would cost the parser more than linear time or mislead an eye."""
    if len(data) > MAX_POLICY_BYTES:
        raise TrustRefused(TRUST_TOO_LARGE, f"{what}: {len(data)} bytes; the ceiling is {int(MAX_POLICY_BYTES)}")
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise refuse_at(what, f"not UTF-8 at byte {error.start}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_POLICY_LINE_CHARACTERS:
            detail = f"line {number} has {len(line)} characters; the ceiling is {int(MAX_POLICY_LINE_CHARACTERS)}"
            raise TrustRefused(TRUST_TOO_LARGE, f"{what}: {detail}")
        if line.count(".") > MAX_POLICY_LINE_DOTS:
            detail = f"line {number} has more than {int(MAX_POLICY_LINE_DOTS)} dots"
            raise TrustRefused(TRUST_TOO_LARGE, f"{what}: {detail}", hint="Break the line in two.")
        if not line.isascii() or not line.isprintable():
            for character in line:
                if is_invisible(character) and character not in _LAYOUT:
                    shown = f"U+{ord(character):04X}"
                    raise refuse_at(what, f"line {number} has a character that cannot be seen ({shown})")
    try:
        return Table(tomllib.loads(text), what, "")
    except (tomllib.TOMLDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise refuse_at(what, f"not TOML{_place_of(error)}") from error


def _place_of(error: Exception) -> str:
    """Only the place is taken from the parser's words."""
    if isinstance(error, RecursionError):
        return ": nested too deeply"
    found = _AT.search(str(error))
    return f" at line {found[1]}, column {found[2]}" if found else " to its end"


def refuse_at(place: str, what: str, hint: str | None = None) -> TrustRefused:
    return TrustRefused(TRUST_MALFORMED, f"{place}: {what}", hint=hint or "Correct the policy at this place.")


class Table:
    """One table of the file. Fields are taken one after another; `finish` refuses what is left."""

    def __init__(self, fields: Mapping[str, object], what: str, place: str) -> None:
        self._left = dict(fields)
        self._what = what
        self._place = place

    @property
    def where(self) -> str:
        return f"{self._what}: {self._place}" if self._place else self._what

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def fail(self, name: str, what: str, hint: str | None = None) -> NoReturn:
        raise refuse_at(self._at(name), what, hint)

    def take_text(self, name: str, max_characters: int = MAX_POLICY_TEXT_CHARACTERS) -> str:
        return self._check_text(name, self._take(name), max_characters)

    def take_parsed(
        self, name: str, parse: Callable[[str], Value], max_characters: int = MAX_POLICY_TEXT_CHARACTERS
    ) -> Value:
        return self._parse(name, self.take_text(name, max_characters), parse)

    def take_choice(self, name: str, choices: Mapping[str, Value]) -> Value:
        text = self.take_text(name)
        if text not in choices:
            self.fail(name, f"{quote_untrusted(text, 40)!r} is none of {', '.join(choices)}")
        return choices[text]

    def take_texts(self, name: str, parse: Callable[[str], Value]) -> tuple[Value, ...]:
        """A list of different texts, each as `parse` reads it."""
        items = self._take(name)
        if not isinstance(items, list):
            self.fail(name, "not a list")
        if len(items) > MAX_POLICY_LIST_ITEMS:
            self.fail(name, f"{len(items)} items; the ceiling is {int(MAX_POLICY_LIST_ITEMS)}")
        texts = [self._check_text(name, item, MAX_POLICY_TEXT_CHARACTERS) for item in items]
        for text in texts:
            if texts.count(text) > 1:
                self.fail(name, f"{quote_untrusted(text, 60)!r} stands there twice")
        return tuple(self._parse(name, text, parse) for text in texts)

    def take_integer(self, name: str, least: int, most: int) -> int:
        value = self._take(name)
        if type(value) is not int:
            self.fail(name, "not a whole number")
        if not least <= value <= most:
            self.fail(name, f"not between {least} and {most}")
        return value

    def take_flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            self.fail(name, "not true or false")
        return value

    def take_time(self, name: str) -> datetime:
        value = self._take(name)
        if not isinstance(value, datetime) or value.tzinfo is None:
            hint = "Write it as 2026-01-31T12:00:00Z, without quotes."
            self.fail(name, "not a date and time with its zone", hint)
        try:
            return value.astimezone(UTC)
        except (OverflowError, ValueError):
            self.fail(name, "beyond what a calendar holds")

    def take_table(self, name: str) -> Table:
        value = self._take(name)
        if not isinstance(value, dict):
            self.fail(name, "not a table")
        return Table(value, self._what, self._inner(name))

    def take_tables(self, name: str, most: int) -> tuple[Table, ...]:
        """A list of tables, counted from 1 as people count."""
        items = self._take(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self.fail(name, "not a list of tables")
        if len(items) > most:
            self.fail(name, f"{len(items)} of them; the ceiling is {most}")
        return tuple(Table(item, self._what, f"{self._inner(name)}[{n}]") for n, item in enumerate(items, 1))

    def take_named_tables(self, most: int) -> dict[str, Table]:
        """All of this table's fields, each itself a table."""
        if len(self._left) > most:
            raise refuse_at(self.where, f"{len(self._left)} of them; the ceiling is {most}")
        return {name: self.take_table(name) for name in tuple(self._left)}

    def finish(self) -> None:
        for name in self._left:
            self.fail(name, "there is no such field", "See docs/policy.md for the fields that there are.")

    def _take(self, name: str) -> object:
        if name not in self._left:
            self.fail(name, "missing", "Add the field; docs/policy.md says what it means.")
        return self._left.pop(name)

    def _check_text(self, name: str, value: object, max_characters: int) -> str:
        if not isinstance(value, str):
            self.fail(name, "not a text")
        if not value.strip():
            self.fail(name, "empty")
        if len(value) > max_characters:
            self.fail(name, f"{len(value)} characters; the ceiling is {max_characters}")
        if any(is_invisible(character) and character != "\n" for character in value):
            self.fail(name, "has a character that cannot be seen")
        return value

    def _parse(self, name: str, text: str, parse: Callable[[str], Value]) -> Value:
        try:
            return parse(text)
        except TrustRefused as error:
            raise refuse_at(self._at(name), error.message, error.hint) from error

    def _inner(self, name: str) -> str:
        shown = quote_untrusted(name, 60)
        return f"{self._place}.{shown}" if self._place else shown

    def _at(self, name: str) -> str:
        return f"{self._what}: {self._inner(name)}"
