"""The arguments of pickle opcodes, read as leniently as CPython's unpickler reads them."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, TypeAlias


class Kind(Enum):
    """What a value on the unpickler's stack is, as far as it matters; short texts are kept as they are."""

    TUPLE = "tuple"
    IMPORT = "import"
    OTHER = "other"


Value: TypeAlias = Kind | str
MAX_IMPORT_NAME_BYTES: Final = 512  # no importable name is longer; longer strings need not be kept
_INTEGER: Final = re.compile(rb"\s*[+-]?[0-9][0-9a-zA-Z_]*\s*")
_FLOAT: Final = re.compile(rb"\s*[+-]?[0-9a-zA-Z_.][0-9a-zA-Z_.+-]*\s*")
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)


class PickleBroken(Exception):
    """The unpickler would raise here."""


class PickleTruncated(Exception):
    """The bytes end inside an instruction."""


def check_number(opcode: int, argument: bytes) -> None:
    """The text protocols' numbers must be numbers. C reads up to a NUL."""
    if opcode in b"IL" and not _INTEGER.fullmatch(argument.partition(b"\0")[0]):
        raise PickleBroken
    if opcode == ord("F") and not _FLOAT.fullmatch(argument.partition(b"\0")[0]):
        raise PickleBroken


def parse_index(opcode: int, argument: bytes) -> int:
    if opcode not in b"pg":
        return int.from_bytes(argument, "little")
    digits = argument.partition(b"\0")[0].strip().replace(b"_", b"").removeprefix(b"+").lstrip(b"0") or b"0"
    if len(digits) > 19 or not digits.isdigit():
        raise PickleBroken
    return int(digits)


def parse_text(opcode: int, argument: bytes) -> Value:
    """The string, if it is short enough to be a name."""
    if opcode == ord("S"):
        quoted = argument.strip()
        is_cut = not argument.endswith(b"\n")
        if quoted[:1] not in {b"'", b'"'} or (not is_cut and (len(quoted) < 2 or quoted[-1] != quoted[0])):
            raise PickleBroken
        argument = quoted if is_cut else quoted[1:-1]
    if len(argument) > MAX_IMPORT_NAME_BYTES:
        return Kind.OTHER
    if opcode == ord("V"):
        return argument.rstrip(b"\n").decode("raw_unicode_escape", "replace")
    text = argument.decode("utf-8", "replace")
    return _ESCAPE.sub(_unescape, text) if opcode == ord("S") else text


def _unescape(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped[0] == "x" and len(escaped) == 3:
        return chr(int(escaped[1:], 16))
    return chr(int(escaped, 8) & 0xFF) if escaped[0] in "01234567" else escaped


def parse_global(argument: bytes) -> str:
    """'module\\nname\\n' as 'module.name'."""
    try:
        module, name, _ = argument.decode("utf-8").split("\n", 2)
    except ValueError:  # also UnicodeDecodeError; a cut line is far too long for a name
        raise PickleBroken from None
    if not is_importable(module) or not is_importable(name):
        raise PickleBroken
    return f"{module}.{name}"


def is_importable(name: str) -> bool:
    """No import of other names succeeds, so nothing after one runs."""
    return len(name) <= MAX_IMPORT_NAME_BYTES and all(part.isidentifier() for part in name.split("."))
