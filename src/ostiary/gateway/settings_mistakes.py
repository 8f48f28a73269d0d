"""Every mistake of a file of settings, not only the first that its readers stop at. Pure.

What is found is taken out, line by line, and the rest is read again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ostiary.cell.limits_file import parse_config
from ostiary.core.toml_lines import find_line
from ostiary.errors import Misuse
from ostiary.gateway.settings_file import parse_server_file

_LINE: Final = re.compile(r", line (\d{1,9}): ")
_MISSING: Final = re.compile(r": ([A-Za-z0-9_.-]+)\.[a-z_]+: missing\Z")
_MOST: Final = 50
"""A person corrects no more at once."""


def find_mistakes(data: bytes, name: str, directory: Path) -> tuple[Misuse, ...]:
    """In the order of the file."""
    lines = data.split(b"\n")
    mistakes: list[Misuse] = []
    while len(mistakes) < _MOST:
        mistake = _find_first(b"\n".join(lines), name, directory)
        if mistake is None:
            break
        mistakes.append(mistake)
        if not _take_out(lines, (_line_of(mistake) or _find_table(lines, mistake)) - 1):
            break
    return tuple(sorted(mistakes, key=_line_of))


def _line_of(mistake: Misuse) -> int:
    """0 where it is about no line in particular."""
    found = _LINE.search(mistake.message)
    return 0 if found is None else int(found[1])


def _find_table(lines: list[bytes], mistake: Misuse) -> int:
    """Of a field that is not there, the line of the table that it should be in; else 0."""
    found = _MISSING.search(mistake.message)
    text = b"\n".join(lines).decode(errors="replace")
    return (find_line(text, found[1].split(".")) or 0) if found else 0


def _find_first(data: bytes, name: str, directory: Path) -> Misuse | None:
    try:
        parse_config(data, name)
        parse_server_file(data, name, directory)
    except Misuse as mistake:
        return mistake
    return None


def _take_out(lines: list[bytes], place: int) -> bool:
    """The line, or where it begins a table the whole of it. False where there is nothing to take."""
    if not 0 <= place < len(lines) or not lines[place].strip():
        return False
    is_table = lines[place].lstrip().startswith(b"[")
    lines[place] = b""
    for following in range(place + 1, len(lines) if is_table else 0):
        if lines[following].lstrip().startswith(b"["):
            break
        lines[following] = b""
    return True
