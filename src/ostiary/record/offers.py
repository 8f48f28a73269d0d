"""Events that are merely useful: taken without waiting, written in the background, counted where dropped."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from ostiary.core.limits import MAX_OFFERED_EVENTS
from ostiary.errors import OstiaryError
from ostiary.record.events import Event, RecordDropped

_MAX_AT_ONCE = 512
OWN_CORRELATION = "record"
"""The correlation id of what the record itself has to say."""


class Offers:
    """A bounded queue with one thread behind it, started by the first offer."""

    def __init__(self, append_many: Callable[[Sequence[Event]], int]) -> None:
        self._append_many = append_many
        self._changed = threading.Condition(threading.RLock())
        self._queue: deque[Event] = deque()
        self._dropped: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def put(self, event: Event) -> None:
        with self._changed:
            if self._is_closing or len(self._queue) >= MAX_OFFERED_EVENTS:
                self._dropped[event.kind] += 1
                return
            self._queue.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._drain, name="ostiary-record-offers", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Writes what is waiting and tells what was dropped; raises where that cannot be written."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        while events := self._take():
            self._write(events)
        self._write(())

    def _drain(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._is_closing:
                    self._changed.wait()
                if self._is_closing:
                    return
                events = self._take()
            try:
                self._write(events)
            except (OstiaryError, ValueError, TypeError):
                # Counted by `_write`; the next group tells it.
                continue

    def _take(self) -> list[Event]:
        with self._changed:
            return [self._queue.popleft() for _ in range(min(len(self._queue), _MAX_AT_ONCE))]

    def _write(self, events: Sequence[Event]) -> None:
        with self._changed:
            told = Counter(self._dropped)
        dropped = (RecordDropped(counts=dict(told), correlation_id=OWN_CORRELATION),) if told else ()
        if not events and not dropped:
            return
        try:
            self._append_many((*events, *dropped))
        except BaseException:
            with self._changed:
                self._dropped.update(event.kind for event in events)
            raise
        with self._changed:
            self._dropped -= told
