"""Reads TOML strictly, table by table: every field has one type, and unknown ones are refused with their place.

The rooms that have such files say in a `TomlKind` what may be how large and which error a refusal is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NoReturn, TypeVar

from ostiary.core.limits import MAX_TOML_LINE_CHARACTERS, MAX_TOML_LINE_DOTS, MAX_TOML_LIST_ITEMS
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.core.toml_lines import find_line
from ostiary.core.values import dataclass
from ostiary.errors import OstiaryError

_AT: Final = re.compile(r"\(at line (\d{1,9}), column (\d{1,9})\)\Z")
_LAYOUT: Final = frozenset("\n\t")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class TomlKind:
    """One kind of file: its ceilings, the page that explains its fields, and how a refusal of it is raised."""

    page: str
    correct: str
    """What to do about a field that is wrong."""
    max_bytes: int
    max_text_characters: int
    refuse: Callable[[str, str], OstiaryError]
    """Message and hint to what is raised for what cannot be understood."""
    refuse_size: Callable[[str, str | None], OstiaryError]
    """The same for what is too large; without a hint the code's own."""
    names_lines: bool = False
    """Whether a refusal names the line of the field beside its place."""

    def refuse_at(self, place: str, what: str, hint: str | None = None) -> OstiaryError:
        return self.refuse(f"{place}: {what}", hint or self.correct)


def read_toml(data: bytes, what: str, kind: TomlKind) -> Table:
    """The top table. Refuses before parsing what would cost the parser more than linear time or mislead an eye."""
    if len(data) > kind.max_bytes:
        raise kind.refuse_size(f"{what}: {len(data)} bytes; the ceiling is {kind.max_bytes}", None)
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise kind.refuse_at(what, f"not UTF-8 at byte {error.start}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_TOML_LINE_CHARACTERS:
            detail = f"line {number} has {len(line)} characters; the ceiling is {int(MAX_TOML_LINE_CHARACTERS)}"
            raise kind.refuse_size(f"{what}: {detail}", None)
        if line.count(".") > MAX_TOML_LINE_DOTS:
            detail = f"line {number} has more than {int(MAX_TOML_LINE_DOTS)} dots"
            raise kind.refuse_size(f"{what}: {detail}", "Break the line in two.")
        if not line.isascii() or not line.isprintable():
            for character in line:
                if is_invisible(character) and character not in _LAYOUT:
                    shown = f"U+{ord(character):04X}"
                    raise kind.refuse_at(what, f"line {number} has a character that cannot be seen ({shown})")
    try:
        return Table(tomllib.loads(text), what, (), kind, text)
    except (tomllib.TOMLDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise kind.refuse_at(what, f"not TOML{_place_of(error)}") from error


def _place_of(error: Exception) -> str:
    """Only the place is taken from the parser's words."""
    if isinstance(error, RecursionError):
        return ": nested too deeply"
    found = _AT.search(str(error))
    return f" at line {found[1]}, column {found[2]}" if found else " to its end"


class Table:
    """One table of the file. Fields are taken one after another; `finish` refuses what is left."""

    def __init__(
        self, fields: Mapping[str, object], what: str, path: tuple[str | int, ...], kind: TomlKind, text: str
    ) -> None:
        self._left = dict(fields)
        self._what = what
        self._path = path
        self._kind = kind
        self._text = text

    @property
    def where(self) -> str:
        return self._name_place(self._path)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def fail(self, name: str, what: str, hint: str | None = None) -> NoReturn:
        raise self._kind.refuse_at(self._name_place((*self._path, name)), what, hint)

    def take_text(self, name: str, max_characters: int | None = None) -> str:
        return self._check_text(name, self._take(name), max_characters)

    def take_parsed(self, name: str, parse: Callable[[str], Value], max_characters: int | None = None) -> Value:
        return self.parse(name, self.take_text(name, max_characters), parse)

    def parse(self, name: str, text: str, parse: Callable[[str], Value]) -> Value:
        """What `parse` makes of a field's text; its refusal gets the field's place."""
        try:
            return parse(text)
        except OstiaryError as error:
            raise self._kind.refuse_at(self._name_place((*self._path, name)), error.message, error.hint) from error

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
        if len(items) > MAX_TOML_LIST_ITEMS:
            self.fail(name, f"{len(items)} items; the ceiling is {int(MAX_TOML_LIST_ITEMS)}")
        texts = [self._check_text(name, item, None) for item in items]
        for text in texts:
            if texts.count(text) > 1:
                self.fail(name, f"{quote_untrusted(text, 60)!r} stands there twice")
        return tuple(self.parse(name, text, parse) for text in texts)

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
        return self._inner(value, name)

    def take_tables(self, name: str, most: int) -> tuple[Table, ...]:
        """A list of tables, counted from 1 as people count."""
        items = self._take(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self.fail(name, "not a list of tables")
        if len(items) > most:
            self.fail(name, f"{len(items)} of them; the ceiling is {most}")
        return tuple(self._inner(item, name, number) for number, item in enumerate(items, 1))

    def take_named_tables(self, most: int, *, among_fields: bool = False) -> dict[str, Table]:
        """All of this table's fields, each itself a table; or with `among_fields` only those that are."""
        names = [name for name, value in self._left.items() if not among_fields or isinstance(value, dict)]
        if len(names) > most:
            raise self._kind.refuse_at(self.where, f"{len(names)} of them; the ceiling is {most}")
        return {name: self.take_table(name) for name in names}

    def finish(self) -> None:
        for name in self._left:
            self.fail(name, "there is no such field", f"See {self._kind.page} for the fields that there are.")

    def _take(self, name: str) -> object:
        if name not in self._left:
            self.fail(name, "missing", f"Add the field; {self._kind.page} says what it means.")
        return self._left.pop(name)

    def _check_text(self, name: str, value: object, max_characters: int | None) -> str:
        if not isinstance(value, str):
            self.fail(name, "not a text")
        if not value.strip():
            self.fail(name, "empty")
        most = self._kind.max_text_characters if max_characters is None else max_characters
        if len(value) > most:
            self.fail(name, f"{len(value)} characters; the ceiling is {most}")
        if any(is_invisible(character) and character != "\n" for character in value):
            self.fail(name, "has a character that cannot be seen")
        return value

    def _inner(self, fields: Mapping[str, object], *path: str | int) -> Table:
        return Table(fields, self._what, (*self._path, *path), self._kind, self._text)

    def _name_place(self, path: tuple[str | int, ...]) -> str:
        """`policy: rules[2].need`, and where the kind wants it, `limits, line 12: ...`."""
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{quote_untrusted(step, 60)}" for step in path)
        line = find_line(self._text, path) if self._kind.names_lines and path else None
        what = self._what if line is None else f"{self._what}, line {line}"
        return f"{what}: {place.removeprefix('.')}" if place else what
