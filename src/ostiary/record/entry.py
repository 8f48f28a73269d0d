"""One entry: an event with who, when and where in the order, in exactly one spelling.

The spelling is RFC 8785 (JCS) JSON without fractions: names sorted, no spaces, UTF-8 (docs/formats/record.md).
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any, Final

from ostiary.core.limits import MAX_ENTRY_BYTES, MAX_EVENT_COUNTS, MAX_EVENT_TEXT_CHARACTERS
from ostiary.core.values import dataclass
from ostiary.errors import RECORD_CHANGED, RecordRefused
from ostiary.record.events import Content, Event

_MAX_INTEGER: Final = (1 << 53) - 1
_SALT_BYTES: Final = 16
_SALTED_PREFIX: Final = "hmac-sha256:"
_TIME_FORMAT: Final = "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_TIME_PLACE: Final = slice(7, 34)
TIME_IN_BODY: Final = (8, 27)
"""Where the time stands in every entry (it is the first value, and of fixed width), as SQL's substr counts."""
_ENVELOPE_BYTES: Final = 4_096
"""Room for everything but the event itself, with the longest user name there can be."""
_SURELY_FITTING_CHARACTERS: Final = (MAX_ENTRY_BYTES - _ENVELOPE_BYTES) // 4
_ENVELOPE: Final = frozenset({"at", "by", "data", "kind", "n", "v"})
_members_by_type: Final[dict[type[Event], tuple[tuple[str, str], ...]]] = {}
"""Each field, in order, with how its member begins; remembered, as `dataclasses.fields` is slow."""
MARK_OF_MEMORY: Final = b'.remembered","n":'
"""Ends the kind of each entry that says what is remembered; in texts of other entries its quotes are escaped."""
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Salt:
    """What turns one `Content` of an event into a hash that cannot be guessed; kept apart, so that it can go."""

    field: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """An event ready to be placed: everything but its time and number."""

    kind: str
    schema: int
    data: str
    salts: tuple[Salt, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it was recorded. Its texts come from outside: quote them before printing."""

    index: int
    at: str
    user: str
    uid: int
    pid: int
    kind: str
    schema: int
    data: Mapping[str, Any]
    body: bytes


def describe_actor() -> str:
    """Who acts in this process, spelled as the `by` of an entry."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return _encode({"pid": os.getpid(), "uid": uid, "user": _cut_text(user)})


def encode_event(event: Event) -> EncodedEvent:
    """The event's own part of the entry. Absent: what is None, and tables without counts."""
    members, salts = [], []
    for name, head in _members_by_type.get(type(event)) or _list_members(type(event)):
        value = getattr(event, name)
        if value is None:
            continue
        if type(value) is str:
            members.append(head + encode_basestring(_cut_text(value)))
            continue
        if type(value) is Content:
            salt = os.urandom(_SALT_BYTES)
            salts.append(Salt(name, salt))
            value = hash_content(value.clear, salt)
        if spelled := _spell(value):
            members.append(head + spelled)
    data = f"{{{','.join(members)}}}"
    if len(data) > _SURELY_FITTING_CHARACTERS and len(data.encode()) > MAX_ENTRY_BYTES - _ENVELOPE_BYTES:
        raise ValueError(f"an event of kind {event.kind} is larger than an entry may be")
    return EncodedEvent(event.kind, event.schema, data, tuple(salts))


def _list_members(kind: type[Event]) -> tuple[tuple[str, str], ...]:
    names = sorted(field.name for field in fields(kind))
    members = _members_by_type[kind] = tuple((name, f'"{name}":') for name in names)
    return members


def hash_content(clear: bytes, salt: bytes) -> str:
    digest = hmac.digest(salt, clear, "sha256")
    return _SALTED_PREFIX + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def place_event(event: EncodedEvent, index: int, at: str, actor: str) -> bytes:
    """The canonical bytes of the entry; its names are already in order."""
    body = (
        f'{{"at":"{at}","by":{actor},"data":{event.data},"kind":"{event.kind}","n":{index},"v":{event.schema}}}'
    ).encode()
    return body


def spell_time(moment: datetime) -> str:
    """UTC, to the microsecond, always as many characters: so times compare as texts."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # Not by `isoformat`, which asks for the offset again and takes twice as long.
    return _TIME_FORMAT % (utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond)


def read_time(body: bytes) -> str:
    """The time of an entry without parsing the rest."""
    time = body[_TIME_PLACE].decode("ascii", "replace")
    return time if _TIME.fullmatch(time) else ""


def parse_entry(body: bytes, index: int) -> Entry:
    """Reads the bytes of an entry strictly: only the one spelling is an entry, and only at its own number."""
    if len(body) > MAX_ENTRY_BYTES:
        raise _refuse(index, "is larger than any entry")
    try:
        parsed = json.loads(body.decode())
        spelled = _encode(parsed).encode()
    except (ValueError, RecursionError) as error:
        raise _refuse(index, "is not JSON") from error
    if spelled != body or not isinstance(parsed, dict) or set(parsed) != _ENVELOPE:
        raise _refuse(index, "is not spelled as entries are")
    actor, data = parsed["by"], parsed["data"]
    if (
        not isinstance(actor, dict)
        or set(actor) != {"pid", "uid", "user"}
        or not isinstance(data, dict)
        or not all(type(number) is int for number in (actor["pid"], actor["uid"], parsed["n"], parsed["v"]))
        or not all(isinstance(text, str) for text in (actor["user"], parsed["kind"], parsed["at"]))
        or not _TIME.fullmatch(parsed["at"])
    ):
        raise _refuse(index, "is not spelled as entries are")
    return Entry(
        parsed["n"],
        parsed["at"],
        actor["user"],
        actor["uid"],
        actor["pid"],
        parsed["kind"],
        parsed["v"],
        data,
        body,
    )


def _refuse(index: int, what: str) -> RecordRefused:
    return RecordRefused(RECORD_CHANGED, f"entry {index} {what}")


# Spelled here and not by a JSONEncoder: between two waits for the disk the processor forgets its caches, and the
# encoder is much to load again. The commonest values come first, found by their exact type, for the same reason.


def _spell(value: object) -> str:
    """A field's value; empty where it is to be absent."""
    if type(value) is str:
        return _spell_text(value)
    if type(value) is int:
        return _spell_integer(value)
    if value is None:
        return ""
    if type(value) is dict or isinstance(value, Mapping):
        return _spell_counts(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{','.join([_spell_text(text) for text in value])}]"
    if isinstance(value, str):
        return _spell_text(value)
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


def _spell_text(text: str) -> str:
    return encode_basestring(_cut_text(text))


def _spell_integer(number: object) -> str:
    if type(number) is not int:
        raise TypeError(f"an event cannot count by a {type(number).__name__}")
    if not -_MAX_INTEGER <= number <= _MAX_INTEGER:
        raise ValueError("an event holds an integer beyond 53 bits")
    return str(number)


def _spell_counts(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    kept = _cut_counts(counts)
    return f"{{{','.join([f'{encode_basestring(name)}:{_spell_integer(kept[name])}' for name in sorted(kept)])}}}"


def _cut_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """The largest counts by name; what is past the ceiling is summed up as `other`."""
    if len(counts) <= MAX_EVENT_COUNTS:
        return {_cut_text(name): count for name, count in counts.items()}
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    kept = {_cut_text(name): count for name, count in ranked[:MAX_EVENT_COUNTS]}
    rest = sum(count for _, count in ranked[MAX_EVENT_COUNTS:])
    return {**kept, "other": rest} if rest else kept


def _cut_text(text: str) -> str:
    """As it is, but cut to the ceiling, and what UTF-8 cannot hold (a file name's odd bytes) escaped."""
    if text.isascii() and len(text) <= MAX_EVENT_TEXT_CHARACTERS:
        return text
    cut = text if len(text) <= MAX_EVENT_TEXT_CHARACTERS else f"{text[:MAX_EVENT_TEXT_CHARACTERS]}... ({len(text)})"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")
