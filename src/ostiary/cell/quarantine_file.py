"""The file that keeps how the processes of one model ended: JSON, read strictly. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Final

from ostiary.cell.ending import Cause
from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import MAX_ENDS_BYTES, MAX_KEPT_ENDS, MAX_QUOTED_CHARACTERS
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused

_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
_CAUSES: Final = frozenset(str(cause) for cause in Cause)
_MAX_NAME_CHARACTERS: Final = 12 * MAX_QUOTED_CHARACTERS  # each of them escaped, and how many there were
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_FIELDS: Final = {"schema", "name", "ends", "quarantined_at"}
_UNTOLD: Final = "untold"


@dataclass(frozen=True, slots=True)
class End:
    """One process of the model: when it ended, in whole seconds since 1970, and why."""

    at: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Ends:
    """The newest ends of one model."""

    name: str
    """The display name under which the model ran last, quoted."""
    ends: tuple[End, ...] = ()
    """Oldest first."""
    quarantined_at: int | None = None
    untold: str | None = None
    """The correlation id under which the record is still to hear of the quarantine."""

    def count_causes(self) -> Mapping[str, int]:
        return dict(sorted(Counter(str(end.cause) for end in self.ends).items()))


NOTHING_ENDED: Final = Ends("")


class EndsUnreadable(Exception):
    """What lies there is not what was written. Never leaves the room."""


def render_ends(ends: Ends) -> bytes:
    whole: dict[str, object] = {
        "schema": 1,
        "name": ends.name,
        "ends": [[end.at, str(end.cause)] for end in ends.ends[-MAX_KEPT_ENDS:]],
        "quarantined_at": ends.quarantined_at,
    }
    if ends.untold is not None:
        whole[_UNTOLD] = ends.untold
    return f"{_encode(whole)}\n".encode()


def parse_ends(data: bytes) -> Ends:
    """Any bytes at all are the ends of a model, or EndsUnreadable."""
    try:
        whole = parse_json_object(data, max_bytes=MAX_ENDS_BYTES)
    except IntakeRefused as error:
        raise EndsUnreadable from error
    name, ends, since = whole.get("name"), whole.get("ends"), whole.get("quarantined_at")
    untold = whole.pop(_UNTOLD, None)
    if set(whole) != _FIELDS or type(whole["schema"]) is not int or whole["schema"] != 1:
        raise EndsUnreadable
    name, untold = _parse_name(name), None if untold is None else _parse_name(untold)
    if not isinstance(ends, list) or len(ends) > MAX_KEPT_ENDS:
        raise EndsUnreadable
    at = None if since is None else _parse_time(since)
    return Ends(name, tuple(_parse_end(item) for item in ends), at, untold)


def _parse_name(value: JsonValue) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _MAX_NAME_CHARACTERS:
        raise EndsUnreadable
    return value


def _parse_end(item: JsonValue) -> End:
    if not isinstance(item, list) or len(item) != 2:
        raise EndsUnreadable
    at, cause = item
    if not isinstance(cause, str) or cause not in _CAUSES:
        raise EndsUnreadable
    return End(_parse_time(at), Cause(cause))


def _parse_time(value: JsonValue) -> int:
    """A whole second that a calendar has a name for."""
    if type(value) is not int or not 0 <= value <= _LAST_SECOND:
        raise EndsUnreadable
    return value
