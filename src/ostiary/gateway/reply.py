"""What a handler gives back: a value, bytes, or events that come one after the other."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

from ostiary.core.values import dataclass

Headers: TypeAlias = tuple[tuple[str, str], ...]

_LINES: Final = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*\r\n)*")


@dataclass(frozen=True, slots=True)
class JsonReply:
    """A value, encoded by msgspec."""

    value: object
    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class BytesReply:
    """Bytes of another media type."""

    data: bytes
    media_type: str
    status: int = 200
    headers: Headers = ()
    more: tuple[memoryview, ...] = ()
    """What follows `data`, long, and not to be copied."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    data: object
    """A str or bytes as it is, without a line end in it; anything else is encoded as JSON."""
    name: str | None = None
    """`event:`, where the protocol names its events."""


@dataclass(frozen=True, slots=True)
class EventsReply:
    """A stream of events. Nothing is sent before the first is there: what is raised until then has its own status.

    What is raised later is told as the dialect's error event, after which the stream ends. The iterator is closed
    in every case, also where the client went away: what it asked is cancelled by leaving its `async with`.
    """

    events: AsyncIterator[ServerEvent]
    headers: Headers = ()


Reply: TypeAlias = JsonReply | BytesReply | EventsReply


def render_lines(headers: Headers) -> bytes:
    """As they stand in the head of an answer. Raises ValueError where one is none, or more than one."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\n") != len(headers) or not _LINES.fullmatch(text):
        raise ValueError("a header line is none")
    return text.encode("ascii")
