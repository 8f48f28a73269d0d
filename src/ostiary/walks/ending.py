"""Sees to it that a walk has exactly one ending in the record, also where it breaks off between two rooms."""

from __future__ import annotations

import os
import secrets
from types import TracebackType
from typing import Final, Self

from ostiary.errors import HOUSE_INTERNAL, Misuse, OstiaryError, Refusal
from ostiary.intake import name_of
from ostiary.record.events import Content, Emit, Event, ModelFailed, ModelRefused, ModelVerified

_ENDINGS: Final = (ModelVerified, ModelRefused, ModelFailed)


class Ending:
    """Rooms emit through it. What leaves the walk as an exception and is not in the record yet is put there."""

    def __init__(self, path: str | os.PathLike[str], emit: Emit, *, record_location: bool) -> None:
        self._name: Final = name_of(path)
        self._location: Final = (
            Content(os.fsencode(os.path.abspath(path))) if record_location else None  # noqa: PTH100  follows no link
        )
        self._emit: Final = emit
        self._correlation_id = ""
        self._is_over = False

    def emit(self, event: Event) -> None:
        self._correlation_id = event.correlation_id
        is_recorded = False
        try:
            self._emit(event)
            is_recorded = True
        finally:
            # Where nothing can be recorded, saying so would fail as well.
            self._is_over = self._is_over or not is_recorded or isinstance(event, _ENDINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_over or not isinstance(error, Exception):
            return
        if isinstance(error, Misuse) and not self._correlation_id:  # nothing was there to be decided upon
            return
        correlation_id = self._correlation_id or secrets.token_hex(8)
        if isinstance(error, OstiaryError):
            error.correlation_id = correlation_id
        if isinstance(error, Refusal):
            self._emit(
                ModelRefused(
                    correlation_id=correlation_id,
                    name=self._name,
                    root=None,
                    code=error.code,
                    rule=None,
                    path=None,
                    location=self._location,
                )
            )
            return
        code = error.code if isinstance(error, OstiaryError) else HOUSE_INTERNAL.name
        self._emit(ModelFailed(correlation_id=correlation_id, name=self._name, code=code, location=self._location))
