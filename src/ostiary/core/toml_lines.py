"""In which line of a TOML text a field stands. The standard library's reader does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Final

# Only for a message: where the search would be long, the place is named without its line.
_MOST_CHARACTERS_READ: Final = 2_000_000


def find_line(text: str, path: Sequence[str | int]) -> int | None:
    """The line that `path` begins in, counted from 1; list items in `path` are counted from 1 too.

    `text` is TOML. A field is there as soon as a beginning of the text that is itself TOML has it; only those are
    tried that end with a line in which its name is. None where it is not found.
    """
    lines = text.split("\n")
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    left = _MOST_CHARACTERS_READ
    for number, line in enumerate(lines, 1):
        if name not in line:
            continue
        for end in range(number, len(lines) + 1):  # a value may have several lines
            beginning = "\n".join(lines[:end])
            left -= len(beginning)
            if left < 0:
                return None
            try:
                read = tomllib.loads(beginning)
            except (tomllib.TOMLDecodeError, ValueError, OverflowError, RecursionError):
                continue
            if _has(read, path):
                return number
            break
    return None


def _has(value: object, path: Sequence[str | int]) -> bool:
    for step in path:
        if isinstance(step, str) and isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(step, int) and isinstance(value, list) and len(value) >= step:
            value = value[step - 1]
        else:
            return False
    return True
