"""The fields of a request, or of an object in it: each is read once, and in the end none may be left. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.contract.text_rules import hold_text
from ostiary.contract.unfit import unfit
from ostiary.core.limits import MAX_REQUEST_CHARACTERS
from ostiary.core.terms.values import TextTerms
from ostiary.core.text import quote_untrusted
from ostiary.errors import (
    CONTRACT_RANGE,
    CONTRACT_TEXT,
    CONTRACT_TOO_LONG,
    CONTRACT_TYPE,
    CONTRACT_UNKNOWN_FIELD,
    ContractRefused,
)

FIRST_RESERVED: Final = 0x10C000
"""From here on characters stand for control tokens, behind the wall."""
_OUTSIDE: Final = re.compile(f"[\ud800-\udfff{chr(FIRST_RESERVED)}-\U0010ffff]")


def name_type(value: object) -> str:
    """As JSON calls it, where JSON has a name for it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if is_list(value):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"a value of type {quote_untrusted(type(value).__name__)}"


def is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


class TextBudget:
    """All texts of a request together have a ceiling, and each is held to what the contract says of texts."""

    def __init__(self, terms: TextTerms | None = None) -> None:
        self._left: int = MAX_REQUEST_CHARACTERS
        self._terms: Final = TextTerms() if terms is None else terms

    def begin_anew(self) -> TextBudget:
        """For what a text that was counted already spells once more."""
        return TextBudget(self._terms)

    def hold(self, text: str, field: str) -> str:
        """As the model may have it: the contract may have characters removed, and a normal form applied."""
        held = hold_text(self.check(text, field), self._terms, field)
        if len(held) > len(text):
            self._spend(len(held) - len(text), field)
        return held

    def check(self, text: str, field: str) -> str:
        """The same text. Raises where UTF-8 cannot write it, or where it brings along what has a meaning here."""
        self._spend(len(text), field)
        if not text.isascii() and _OUTSIDE.search(text):
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise unfit(CONTRACT_TEXT, field, "holds half of a surrogate pair")
            if any(ord(character) >= FIRST_RESERVED for character in text):
                raise unfit(
                    CONTRACT_TEXT, field, f"holds characters that are reserved: U+{FIRST_RESERVED:X} and up"
                )
        return text

    def _spend(self, characters: int, field: str) -> None:
        self._left -= characters
        if self._left < 0:
            most = int(MAX_REQUEST_CHARACTERS)
            detail = f"brings the request to more than {most:,} characters"
            raise unfit(CONTRACT_TOO_LONG, field, detail, "max_characters", most)


class Fields:
    """`where` stands before the names: `messages[3].`"""

    def __init__(
        self, values: Mapping[object, object] | Mapping[str, object], budget: TextBudget, where: str = ""
    ) -> None:
        for name in values:
            if not isinstance(name, str):
                raise unfit(
                    CONTRACT_TYPE, where.rstrip(".") or "the request", f"has a name that is {name_type(name)}"
                )
        self._values: Final = {str(name): value for name, value in values.items()}
        self._unread: Final = set(self._values)
        self._budget: Final = budget
        self._where: Final = where

    @property
    def budget(self) -> TextBudget:
        return self._budget

    def name(self, name: str) -> str:
        return f"{self._where}{name}"

    def take(self, name: str) -> object:
        """None where it is absent or null."""
        self._unread.discard(name)
        return self._values.get(name)

    def finish(self) -> None:
        if self._unread:
            name = self.name(min(self._unread))
            raise unfit(CONTRACT_UNKNOWN_FIELD, name, "is no field of such a request")

    def wrong_type(self, name: str, value: object, wanted: str) -> ContractRefused:
        return unfit(CONTRACT_TYPE, self.name(name), f"is {name_type(value)}, not {wanted}")

    def text(self, name: str) -> str | None:
        """For the model to read."""
        value = self._take_string(name)
        return None if value is None else self._budget.hold(value, self.name(name))

    def word(self, name: str) -> str | None:
        """For the house to compare: it stays as it came."""
        value = self._take_string(name)
        return None if value is None else self._budget.check(value, self.name(name))

    def _take_string(self, name: str) -> str | None:
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong_type(name, value, "a string")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong_type(name, value, "a boolean")
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong_type(name, value, "an integer")
        if not low <= value <= high:
            raise unfit(CONTRACT_RANGE, self.name(name), f"must be from {low} to {high}", "range", (low, high))
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong_type(name, value, "a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise unfit(CONTRACT_RANGE, self.name(name), f"must be from {low:g} to {high:g}", "range", (low, high))
        return float(value)

    def items(self, name: str, most: int) -> Sequence[object] | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, Sequence) or not is_list(value):
            raise self.wrong_type(name, value, "a list")
        if len(value) > most:
            detail = f"has {len(value):,} entries; it may have {most:,}"
            raise unfit(CONTRACT_TOO_LONG, self.name(name), detail, "max_items", int(most))
        return value
