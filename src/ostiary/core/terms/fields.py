"""The fields of one object of contract.json: each is taken once, and in the end none may be left. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeVar

from ostiary.core.findings import Rule, refuse
from ostiary.core.json_text import JsonValue, describe_type
from ostiary.core.limits import MAX_TERMS_TEXT_CHARACTERS
from ostiary.core.terms.rules import (
    CONTRACT_BEYOND_HOUSE,
    CONTRACT_CONTRADICTION,
    CONTRACT_MISSING_FIELD,
    CONTRACT_UNKNOWN_FIELD,
    CONTRACT_WRONG_TYPE,
)
from ostiary.core.terms.values import Span
from ostiary.core.text import is_invisible, quote_untrusted

_Made = TypeVar("_Made")


class Fields:
    """`where` stands before the names in messages: `inputs[0].`"""

    def __init__(self, values: Mapping[str, JsonValue], where: str = "") -> None:
        self._left: Final = dict(values)
        self._where: Final = where

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def fail(self, rule: Rule, name: str, what: str) -> NoReturn:
        raise refuse(rule, f"{quote_untrusted(f'{self._where}{name}')} {what}")

    def finish(self) -> None:
        for name in sorted(self._left):
            self.fail(CONTRACT_UNKNOWN_FIELD, name, "is no field of it")

    def take(self, name: str) -> JsonValue:
        if name not in self._left:
            self.fail(CONTRACT_MISSING_FIELD, name, "is missing")
        return self._left.pop(name)

    def take_exactly(self, name: str, wanted: JsonValue, rule: Rule = CONTRACT_WRONG_TYPE) -> None:
        value = self.take(name)
        if repr(value) != repr(wanted):  # equal, and of the same types all through: true is no 1
            self.fail(rule, name, f"is not {quote_untrusted(repr(wanted))}")

    def take_text(self, name: str, most: int = MAX_TERMS_TEXT_CHARACTERS) -> str:
        return self._check_text(name, self.take(name), most)

    def take_choice(self, name: str, choices: Mapping[str, _Made]) -> _Made:
        text = self.take_text(name)
        if text not in choices:
            self.fail(CONTRACT_BEYOND_HOUSE, name, f"is none of {', '.join(choices)}")
        return choices[text]

    def take_flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            self.fail(CONTRACT_WRONG_TYPE, name, f"is {describe_type(value)}, not a boolean")
        return value

    def take_whole(self, name: str, house: Span) -> int:
        number = self._check_number(name, self.take(name), house, is_whole=True)
        return int(number)

    def take_whole_or_none(self, name: str, house: Span) -> int | None:
        return self.take_whole(name, house) if name in self else None

    def take_span(self, name: str, house: Span, *, is_whole: bool) -> Span:
        value = self.take(name)
        if not isinstance(value, list) or len(value) != 2:
            self.fail(CONTRACT_WRONG_TYPE, name, "is not a list of the least and the most")
        least, most = (self._check_number(name, item, house, is_whole=is_whole) for item in value)
        if least > most:
            self.fail(CONTRACT_CONTRADICTION, name, "has a least above its most")
        return Span(least, most)

    def take_texts(self, name: str, parse: Callable[[str], _Made | None], wanted: str) -> tuple[_Made, ...]:
        """A list of different texts, each as `parse` reads it; `wanted` says what they are."""
        items = self.take_list(name)
        texts = [self._check_text(name, item, MAX_TERMS_TEXT_CHARACTERS) for item in items]
        if len(set(texts)) != len(texts):
            self.fail(CONTRACT_CONTRADICTION, name, "has the same entry twice")
        made = []
        for text in texts:
            value = parse(text)
            if value is None:
                self.fail(CONTRACT_BEYOND_HOUSE, name, f"has an entry that is no {wanted}")
            made.append(value)
        return tuple(made)

    def take_list(self, name: str) -> list[JsonValue]:
        value = self.take(name)
        if not isinstance(value, list):
            self.fail(CONTRACT_WRONG_TYPE, name, f"is {describe_type(value)}, not a list")
        if not value:
            self.fail(CONTRACT_CONTRADICTION, name, "is empty; leave it out")
        return value

    def take_object(self, name: str) -> Fields:
        return self._inner(self.take(name), name)

    def take_objects(self, name: str) -> list[Fields]:
        return [self._inner(item, f"{name}[{place}]") for place, item in enumerate(self.take_list(name))]

    def take_named(self, name: str, known: Mapping[str, _Made], what: str) -> list[tuple[str, _Made, Fields]]:
        """An object whose members are objects, each with a name that is known."""
        inner = self.take_object(name)
        named = []
        for member in sorted(inner._left):  # one order, whatever the file has
            if member not in known:
                inner.fail(CONTRACT_UNKNOWN_FIELD, member, f"is no {what}")
            named.append((member, known[member], inner.take_object(member)))
        return named

    def _inner(self, value: JsonValue, name: str) -> Fields:
        if not isinstance(value, dict):
            self.fail(CONTRACT_WRONG_TYPE, name, f"is {describe_type(value)}, not an object")
        return Fields(value, f"{self._where}{name}.")

    def _check_text(self, name: str, value: JsonValue, most: int) -> str:
        if not isinstance(value, str):
            self.fail(CONTRACT_WRONG_TYPE, name, f"is {describe_type(value)}, not a string")
        if not 0 < len(value) <= most:
            self.fail(CONTRACT_BEYOND_HOUSE, name, f"has {len(value)} characters; it may have 1 to {int(most)}")
        if any(is_invisible(character) for character in value):
            self.fail(CONTRACT_WRONG_TYPE, name, "has a character that cannot be seen")
        return value

    def _check_number(self, name: str, value: JsonValue, house: Span, *, is_whole: bool) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
            wanted = "a whole number" if is_whole else "a number"
            self.fail(CONTRACT_WRONG_TYPE, name, f"is {describe_type(value)}, not {wanted}")
        if not house.least <= value <= house.most:
            bounds = f"{house.least:,} to {house.most:,}"
            self.fail(CONTRACT_BEYOND_HOUSE, name, f"goes beyond what the house takes: {bounds}")
        return value
