"""One name under which a model is served, and all that its keeper knows of it. Of one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.errors import OstiaryError
    from ostiary.gateway.served import ServedModel, ServedName
    from ostiary.gateway.to_serve import Look, ToServe


class Kept:
    """One name and all that is known of it."""

    def __init__(self, to_serve: ToServe, served: ServedName) -> None:
        self.to_serve = to_serve
        self.served: Final = served
        self.look: Look = ()
        """Of what its current version was made of."""
        self.leaving: Final[set[ServedModel]] = set()
        """Versions that are replaced or removed, and that somebody still holds, or that are being closed."""
        self.loading: asyncio.Task[OstiaryError | None] | None = None
        self.lacks_room = False
        """Whether all memory is in use, so that it waits to be loaded."""
        self.waiting = 0
        """Requests that wait for it to be loaded: it does not go before they had it."""
        self.turn: Final = asyncio.Lock()
        """Of whoever loads or reloads it."""
        self.used_at = 0.0
        self.loaded_at = 0.0
        self.room_at = 0.0
        """When there was room for it, so that it could be loaded."""
        self.stays_until = 0.0
        """It was loaded a moment ago: until then it makes room for nobody."""
        self.fails_until = 0.0
        self.is_removed = False

    @property
    def is_idle(self) -> bool:
        current = self.served.current
        is_wanted = bool(self.waiting) and not self.served.is_leaving
        return current is not None and not current.holders and not is_wanted and not self.turn.locked()
