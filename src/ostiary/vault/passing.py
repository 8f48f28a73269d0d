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
from ostiary.vault.compare import compare_bytes
from ostiary.vault.hold import Abandoned, GoOn, Hold
from ostiary.vault.place import Place
from ostiary.vault.sealed_file import SealedFile

_MAX_THREADS: Final = 8  # more threads than this do not make one memory faster

TakeHold = Callable[[Place, FileEntry, GoOn], Hold]


class Passing:
    """Hands out every weights file once; work on the first begins at once. `close` gives up what is left."""

    def __init__(
        self,
        place: Place,
        entries: Sequence[FileEntry],
        other_bytes: int,
        take_hold: TakeHold,
        announcer: Announcer,
    ) -> None:
        """`other_bytes` of the model are sealed already."""
        self._threads: Final = min(_MAX_THREADS, os.cpu_count() or 1)
        self._place: Final = place
        self._entries: Final = entries
        self._bytes: Final = other_bytes + sum(entry.size for entry in entries)
        self._take_hold: Final = take_hold
        self._announcer: Final = announcer
        self._lock: Final = threading.Lock()
        self._abandoned: Final = threading.Event()
        self._pool: Final = ThreadPoolExecutor(self._threads, thread_name_prefix="ostiary-vault")
        self._following: Final = iter(entries)
        self._waiting: Final[deque[Future[Hold]]] = deque()
        self._files: Final[list[SealedFile]] = []
        self._methods: Final[Counter[SealMethod]] = Counter()
        self._is_told = False
        for _ in range(self._threads + 1):  # one more than are at work
            self._start_next()

    def run(self) -> Iterator[SealedWeights]:
        """Each file when it was compared."""
        try:
            if not self._entries:
                self._announcer.tell_sealed({}, self._bytes)
            for entry in self._entries:
                try:
                    hold = self._waiting.popleft().result()
                except Exception as error:
                    self._tell_no(error)
                    raise
                file = SealedFile(entry, hold, self._count, self._tell_no)
                self._files.append(file)
                self._start_next()
                yield file
        finally:
            self._stop()

    @property
    def is_over(self) -> bool:
        """Whether nothing is held any more and nothing will be."""
        return self._abandoned.is_set() and all(file.is_closed for file in self._files)

    def close(self) -> None:
        """Nobody wants the rest, nor what was handed out and not finished."""
        self._stop()
        for file in self._files:
            file.close()

    def _start_next(self) -> None:
        entry = next(self._following, None)
        if entry is not None:
            self._waiting.append(self._pool.submit(self._seal, entry))

    def _seal(self, entry: FileEntry) -> Hold:
        self._go_on()
        hold = self._take_hold(self._place, entry, self._go_on)
        try:
            # A file that is more than one thread's share of all is worth all of them, where it has chunks.
            threads = self._threads if entry.size * self._threads > self._bytes else 1
            compare_bytes(hold.descriptor, entry, self._go_on, threads)
        except BaseException:
            hold.close()
            raise
        return hold

    def _go_on(self) -> None:
        if self._abandoned.is_set():
            raise Abandoned

    def _stop(self) -> None:
        """No thread is at work any more when this returns."""
        self._abandoned.set()
        self._pool.shutdown()
        while self._waiting:
            future = self._waiting.popleft()
            if future.exception() is None:
                future.result().close()

    def _count(self, method: SealMethod) -> None:
        with self._lock:
            self._methods[method] += 1
            is_last = self._methods.total() == len(self._entries) and not self._is_told
            self._is_told = self._is_told or is_last
        if is_last:
            self._announcer.tell_sealed(self._methods, self._bytes)

    def _tell_no(self, error: Exception) -> None:
        with self._lock:
            is_first = not self._is_told
            self._is_told = True
        if is_first and not isinstance(error, Abandoned):
            self._announcer.tell_no(error)
