"""What is written on the command line of `ostiary record`, as values."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ostiary.core.limits import MAX_GIVEN_FILE_BYTES
from ostiary.errors import USAGE, Misuse

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,12})(B|kB|MB|GB|TB)?", re.ASCII)
_FACTORS: Final = {None: 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_age(text: str) -> datetime:
    """`90d` -> the moment 90 days ago."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("an age is a number and one of s, m, h, d, w: 90d")
    return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_moment(text: str) -> str:
    """A time (UTC where it names no zone), a date or an age -> a time as entries spell it."""
    from ostiary.record.entry import spell_time

    if _AGE.fullmatch(text):
        return spell_time(parse_age(text))
    try:
        moment = datetime.fromisoformat(text)
        return spell_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError("a time is written like 2026-11-21T10:00:00, or as an age: 7d") from error


def parse_size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("a size is a number of bytes, or one with kB, MB, GB or TB")
    return int(found[1]) * _FACTORS[found[2]]


def parse_field_file(text: str) -> tuple[str, Path]:
    field, equals, path = text.partition("=")
    if not equals or not field or not path:
        raise argparse.ArgumentTypeError("write FIELD=FILE")
    return field, Path(path)


def read_given(path: Path) -> bytes:
    """A small file that the person at the terminal named."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_GIVEN_FILE_BYTES + 1)
    except OSError as error:
        raise Misuse(USAGE, f"{path} cannot be read", hint="Check the path and its permissions.") from error
    if len(content) > MAX_GIVEN_FILE_BYTES:
        raise Misuse(USAGE, f"{path} is larger than such a file can be")
    return content
