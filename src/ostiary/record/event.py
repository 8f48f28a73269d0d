"""What every event is, and what a room is given to tell one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Annotated, ClassVar

from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that must not be kept: the log stores a salted hash; `ostiary record forget` deletes the salt."""

    clear: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. Every kind is a frozen subclass with its own fields."""

    kind: ClassVar[str] = ""
    """`noun.verbed`, stable."""
    schema: ClassVar[int] = 1
    """Grows when the meaning or the set of fields changes."""

    correlation_id: Annotated[str, "joins the events, the public answer and the detail of one request or command"]


Emit = Callable[[Event], None]
"""What a room is given. It returns when the event is durable, or raises `errors.RecordUnwritable`."""
