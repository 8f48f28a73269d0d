"""Reads card.json: who made a function, when and from what. Free in what it says, strict in how."""

from __future__ import annotations

from ostiary.core.findings import refuse
from ostiary.core.function_limits import MAX_CARD_BYTES, MAX_CARD_TEXT_CHARACTERS, MAX_CARD_VALUES
from ostiary.core.text import is_invisible
from ostiary.intake.read_json import JsonValue, parse_json_object
from ostiary.intake.rules.functions import FUNCTION_CARD


def parse_card(data: bytes) -> dict[str, JsonValue]:
    """The object that `data` spells: values and texts that can be shown."""
    card = parse_json_object(data, max_bytes=MAX_CARD_BYTES, max_values=MAX_CARD_VALUES)
    waiting: list[JsonValue] = [card]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name in value:
                _check_text(name)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str):
            _check_text(value)
    return card


def _check_text(text: str) -> None:
    if len(text) > MAX_CARD_TEXT_CHARACTERS:
        raise refuse(FUNCTION_CARD, f"a text of {len(text)} characters, more than {int(MAX_CARD_TEXT_CHARACTERS)}")
    if not text.isprintable() and any(is_invisible(character) and character not in "\n\t" for character in text):
        raise refuse(FUNCTION_CARD, "a text holds characters that cannot be seen")
