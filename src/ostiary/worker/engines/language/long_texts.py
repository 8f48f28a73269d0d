"""Long texts become tokens in a thread of their own, so that those who are being answered need not wait for it.

The tokenizer lets go of the interpreter while it works. Short texts are read at once: a thread would cost more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Final

LONG_CHARACTERS: Final = 16_384
"""Read within 20 ms by tokenizers in use, which is what a step may take for calls that are new."""
_WAIT_SECONDS: Final = 0.01
"""How long a step may wait where there is nothing else to do: then the channel is looked at again."""


class LongTexts:
    """Of one model, read one after the other in the order in which they came."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        """Made when it is first needed: most models never see a long text."""
        self._begun: Final[deque[tuple[int, Future[list[int]]]]] = deque()

    @property
    def has_work(self) -> bool:
        return bool(self._begun)

    def begin(self, call_id: int, read: Callable[[], list[int]]) -> None:
        """`read` runs beside everything else, and must change nothing."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "texts")
        future: Future[list[int]] = Future()
        try:
            future = self._pool.submit(read)
        except RuntimeError:  # there may be no more threads: then everybody waits
            future.set_result(read())
        self._begun.append((call_id, future))

    def remove(self, call_id: int) -> None:
        for entry in list(self._begun):
            if entry[0] == call_id:
                entry[1].cancel()
                self._begun.remove(entry)

    def take(self, *, waits: bool) -> Iterator[tuple[int, Callable[[], list[int]]]]:
        """Those that are read, in order: calling one gives its tokens, or raises what reading raised."""
        if waits and self._begun:
            try:
                self._begun[0][1].exception(_WAIT_SECONDS)
            except NotYet:
                return
        while self._begun and self._begun[0][1].done():
            call_id, future = self._begun.popleft()
            yield call_id, future.result
