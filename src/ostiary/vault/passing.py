"""One passing of all weights files, in order: the next are compared while the consumer loads the present one.

Memory stays at the model and one file more, however many are ahead: a file is either still held, or loaded, and
only the one that is being loaded is both.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from ostiary.core.tickets import FileEntry, SealedWeights, SealMethod
from ostiary.vault.announce import Announcer
from ostiary.vault.compare import Abandoned, compare_digest
from ostiary.vault.hold import Hold
from ostiary.vault.place import Place
from ostiary.vault.sealed_file import SealedFile

_MAX_THREADS: Final = 8  # more threads than this do not make one memory faster

TakeHold = Callable[[Place, FileEntry], Hold]


class Passing:
    """Hands out every weights file once. `close` gives up whatever is left."""

    def __init__(
        self, place: Place, entries: Sequence[FileEntry], take_hold: TakeHold, announcer: Announcer
    ) -> None:
        self._place: Final = place
        self._entries: Final = entries
        self._take_hold: Final = take_hold
        self._announcer: Final = announcer
        self._abandoned: Final = threading.Event()
        self._lock: Final = threading.Lock()
        self._files: Final[list[SealedFile]] = []
        self._methods: Final[Counter[SealMethod]] = Counter()
        self._finished = 0
        self._is_told = False

    def run(self, other_bytes: int) -> Iterator[SealedWeights]:
        """Each file when it was compared. `other_bytes` of the model are sealed already."""
        threads = min(_MAX_THREADS, os.cpu_count() or 1, len(self._entries))
        waiting: deque[Future[Hold]] = deque()
        following = iter(self._entries)
        sealed_bytes = other_bytes + sum(entry.size for entry in self._entries)
        if not self._entries:
            self._announcer.tell_sealed({}, sealed_bytes)
            return
        pool = ThreadPoolExecutor(threads, thread_name_prefix="ostiary-vault")
        try:
            for entry in self._entries:
                while len(waiting) <= threads and (ahead := next(following, None)) is not None:
                    waiting.append(pool.submit(self._seal, ahead))
                try:
                    hold = waiting.popleft().result()
                except Exception as error:
                    self._tell_no(error)
                    raise
                yield self._hand_out(entry, hold, sealed_bytes)
        finally:
            self._abandoned.set()
            for future in waiting:
                if not future.cancel():
                    future.add_done_callback(_close_unused)
            pool.shutdown()

    def close(self) -> None:
        """Nobody wants the rest, nor what was handed out and not finished."""
        self._abandoned.set()
        for file in self._files:
            file.close()

    def _seal(self, entry: FileEntry) -> Hold:
        hold = self._take_hold(self._place, entry)
        try:
            compare_digest(hold.descriptor, entry, self._abandoned.is_set)
        except BaseException:
            hold.close()
            raise
        return hold

    def _hand_out(self, entry: FileEntry, hold: Hold, sealed_bytes: int) -> SealedFile:
        method = hold.method
        file = SealedFile(entry, hold, lambda: self._count(method, sealed_bytes), self._tell_no)
        self._files.append(file)
        return file

    def _count(self, method: SealMethod, sealed_bytes: int) -> None:
        with self._lock:
            self._finished += 1
            self._methods[method] += 1
            is_last = self._finished == len(self._entries) and not self._is_told
            self._is_told = self._is_told or is_last
        if is_last:
            self._announcer.tell_sealed(self._methods, sealed_bytes)

    def _tell_no(self, error: Exception) -> None:
        self._abandoned.set()
        with self._lock:
            is_first = not self._is_told
            self._is_told = True
        if is_first and not isinstance(error, Abandoned):
            self._announcer.tell_no(error)


def _close_unused(future: Future[Hold]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()
