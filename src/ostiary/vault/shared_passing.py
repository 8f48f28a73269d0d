"""One passing for several consumers: each file is held and compared once, and all of them load it at the same time.

They go in step: the next file is handed out when every one has finished the one before, so that memory stays at
what it is for one consumer. Each gets a description of its own of every file, as they read at their own pace.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Final

from ostiary._hazmat.reopen import reopen_read_only
from ostiary.core.tickets import FileEntry, SealedWeights, SealMethod
from ostiary.vault.place import tell_unreadable


class SharedPassing:
    """Every reader either reads to the end or leaves. Any number of threads, one for each reader."""

    def __init__(self, open_weights: Callable[[], Iterator[SealedWeights]], readers: int) -> None:
        self._open: Final = open_weights
        self._changed: Final = threading.Condition()
        self._present: Final = set(range(readers))
        self._pending: Final[set[int]] = set()
        """Who has not let go of the present file."""
        self._unfinished: Final[set[int]] = set()
        """Who has not read it to its end."""
        self._source: Iterator[SealedWeights] | None = None
        self._file: SealedWeights | None = None
        self._number = -1
        self._is_over = False
        self._error: Exception | None = None

    def read(self, reader: int) -> Iterator[SealedWeights]:
        """As `SealedModel.open_weights`."""
        try:
            number = 0
            while True:
                file = self._await_file(reader, number)
                if file is None:
                    return
                shared = _SharedFile(self, reader, file)
                try:
                    yield shared
                finally:
                    shared.close()
                number += 1
        finally:
            self.leave(reader)

    def leave(self, reader: int) -> None:
        """It reads nothing any more: the others do not wait for it. Any number of times."""
        with self._changed:
            self._present.discard(reader)
            self._unfinished.discard(reader)
            self._let_go(reader)
            if not self._present:
                self._end()

    def finish(self, reader: int) -> None:
        """The last who does is told whether a byte could have changed meanwhile: all read what was held then."""
        with self._changed:
            self._unfinished.discard(reader)
            self._let_go(reader)
            if self._error is not None:
                raise self._error

    def _await_file(self, reader: int, number: int) -> SealedWeights | None:
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                if self._is_over or reader not in self._present:
                    return None
                if self._number == number:
                    return self._file
                if not self._pending:
                    self._take_next()
                else:
                    self._changed.wait()

    def _take_next(self) -> None:
        if self._source is None:
            self._source = self._open()
        try:
            self._file = next(self._source, None)
        except Exception as error:  # noqa: BLE001  told to every reader
            self._error = error
        self._number += 1
        if self._file is None:
            self._is_over = True
        else:
            self._pending.update(self._present)
            self._unfinished.update(self._present)
        self._changed.notify_all()

    def _let_go(self, reader: int) -> None:
        if reader not in self._pending:
            return
        self._pending.discard(reader)
        if self._pending or self._file is None:
            return
        file, self._file = self._file, None
        try:
            if self._unfinished:
                file.close()
            else:
                file.finish()
        except Exception as error:  # noqa: BLE001  told to every reader
            self._error = error
        self._unfinished.clear()
        self._changed.notify_all()

    def _end(self) -> None:
        self._is_over = True
        if self._file is not None:
            self._file.close()
        source, self._source = self._source, None
        close = getattr(source, "close", None)
        if close is not None:
            close()


class _SharedFile:
    """The present file, as one of them has it."""

    def __init__(self, passing: SharedPassing, reader: int, file: SealedWeights) -> None:
        self._passing: Final = passing
        self._reader: Final = reader
        self._file: Final = file
        self._descriptor = _reopen(file)

    @property
    def entry(self) -> FileEntry:
        return self._file.entry

    @property
    def method(self) -> SealMethod:
        return self._file.method

    @property
    def descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("it is closed")
        return self._descriptor

    def finish(self) -> None:
        if self._descriptor is not None:
            self._close()
            self._passing.finish(self._reader)

    def close(self) -> None:
        if self._descriptor is not None:
            self._close()
            self._passing.leave(self._reader)  # who gives up one of them gives up the model

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _reopen(file: SealedWeights) -> int | None:
    try:
        return reopen_read_only(file.descriptor)
    except OSError as error:
        raise tell_unreadable(file.entry, error) from error
