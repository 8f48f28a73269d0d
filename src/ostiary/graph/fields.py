"""Takes JSON of a closed format apart: each field by name and type, and no other."""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.findings import Rule, refuse
from ostiary.core.json_text import JsonValue, describe_type
from ostiary.core.text import quote_untrusted

MAX_SAFE_INTEGER: Final = (1 << 53) - 1  # what every JSON reader takes for the same number (RFC 8785)
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", re.ASCII)
TENSOR_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,511}", re.ASCII)


class Fields:
    """Readers of one format's fields; each refuses under the format's own rule."""

    def __init__(self, malformed: Rule) -> None:
        self._rule = malformed

    def take_object(
        self, value: JsonValue, where: str, required: frozenset[str], optional: frozenset[str] = frozenset()
    ) -> dict[str, JsonValue]:
        """An object of just these fields."""
        if not isinstance(value, dict):
            raise refuse(self._rule, f"{where} is {describe_type(value)}, not an object")
        if value.keys() != required:
            for name in value:
                if name not in required and name not in optional:
                    raise refuse(
                        self._rule, f"{where} has a field '{quote_untrusted(name, 40)}' that it cannot have"
                    )
            for name in sorted(required):
                if name not in value:
                    raise refuse(self._rule, f"{where} has no field '{name}'")
        return value

    def take_list(self, value: JsonValue, where: str) -> list[JsonValue]:
        if not isinstance(value, list):
            raise refuse(self._rule, f"{where} is {describe_type(value)}, not a list")
        return value

    def take_text(self, value: JsonValue, where: str) -> str:
        if not isinstance(value, str):
            raise refuse(self._rule, f"{where} is {describe_type(value)}, not a string")
        return value

    def take_name(self, value: JsonValue, where: str, pattern: re.Pattern[str] = NAME) -> str:
        """A plain name, which is safe to print and to use as an argument."""
        name = self.take_text(value, where)
        if pattern.fullmatch(name) is None:
            raise refuse(self._rule, f"{where} is no plain name: '{quote_untrusted(name, 40)}'")
        return name

    def take_integer(self, value: JsonValue, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(self._rule, f"{where} is {describe_type(value)}, not a whole number")
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise refuse(self._rule, f"{where} needs more than 53 bits")
        return value

    def take_boolean(self, value: JsonValue, where: str) -> bool:
        if not isinstance(value, bool):
            raise refuse(self._rule, f"{where} is {describe_type(value)}, not a boolean")
        return value
