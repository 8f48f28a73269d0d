"""Counts what the door refuses before a model is asked, so that a flood of it cannot fill the record.

Each kind of refusal is one entry for a while, with how often it happened.
"""

from __future__ import annotations

import threading
from typing import Final

from ostiary.errors import HOUSE_INTERNAL, OstiaryError
from ostiary.record.events import Emit
from ostiary.record.server_events import ClientRefused


class RefusalTally:
    """Any number of threads may use it."""

    def __init__(self, emit: Emit, server: str) -> None:
        """`server`: the correlation id of the running server."""
        self._emit: Final = emit
        self._server: Final = server
        self._lock: Final = threading.Lock()
        self._counts: dict[str, int] = {}

    def note(self, error: BaseException) -> None:
        code = error.code if isinstance(error, OstiaryError) else HOUSE_INTERNAL.name
        with self._lock:
            self._counts[code] = self._counts.get(code, 0) + 1

    def tell(self) -> None:
        """To the record: what came since the last time. Raises what the record says; nothing is lost then."""
        with self._lock:
            counts, self._counts = self._counts, {}
        told = 0
        try:
            for code, count in counts.items():
                self._emit(ClientRefused(correlation_id=self._server, code=code, count=count))
                told += 1
        finally:
            with self._lock:
                for code, count in list(counts.items())[told:]:
                    self._counts[code] = self._counts.get(code, 0) + count
