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
        on_finished: Callable[[], None],
        on_refused: Callable[[VaultRefused], None],
    ) -> None:
        self.entry: Final = entry
        self._hold: Final = hold
        self._on_finished: Final = on_finished
        self._on_refused: Final = on_refused
        self._lock: Final = threading.Lock()
        self._is_over = False

    @property
    def descriptor(self) -> int:
        return self._hold.descriptor

    @property
    def method(self) -> SealMethod:
        return self._hold.method

    def finish(self) -> None:
        """The last byte was read: nothing can have changed until now, or VaultRefused."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            has_held = self._hold.has_held()
            self._hold.close()
        if has_held:
            self._on_finished()
            return
        refusal = refuse_changed(self.entry, "another program opened it for writing while it was loaded")
        self._on_refused(refusal)
        raise refusal

    def close(self) -> None:
        with self._lock:
            self._is_over = True
            self._hold.close()
