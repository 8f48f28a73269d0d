"""One weights file as the consumer has it in hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ostiary.core.tickets import FileEntry, SealMethod
from ostiary.errors import VaultRefused
from ostiary.vault.hold import Hold
from ostiary.vault.place import refuse_changed


class SealedFile:
    """A hold on a file whose digest was compared while it was held."""

    def __init__(
        self,
        entry: FileEntry,
        hold: Hold,
        on_finished: Callable[[SealMethod], None],
        on_refused: Callable[[VaultRefused], None],
    ) -> None:
        self.entry: Final = entry
        self._hold: Final = hold
        self._on_finished: Final = on_finished
        self._on_refused: Final = on_refused
        self._lock: Final = threading.Lock()
        self._has_held: bool | None = None
        self._is_closed = False

    @property
    def descriptor(self) -> int:
        return self._hold.descriptor

    @property
    def method(self) -> SealMethod:
        return self._hold.method

    def finish(self) -> None:
        """The last byte was read: nothing can have changed until now, or VaultRefused. Again: the same answer."""
        with self._lock:
            is_first = self._has_held is None
            if is_first:
                self._has_held = self._hold.has_held()  # given up unread: has not
                self._close()
        if not self._has_held:
            refusal = refuse_changed(self.entry, "another program may have written to it while it was loaded")
            self._on_refused(refusal)
            raise refusal
        if is_first:
            self._on_finished(self.method)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._is_closed = True
        self._hold.close()
