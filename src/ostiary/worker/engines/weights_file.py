"""A weights file as MLX reads it, by several threads at once: one alone cannot fill memory as fast as it goes.

Everything that this needs is imported with it, before the wall is up; behind it no file can be opened.
"""

from __future__ import annotations

import io
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ostiary._hazmat.pread_into import pread_into

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE_BYTES: Final = 8 << 20
_THREADS: Final = 4


class WeightsFile(io.RawIOBase):
    """Reads from a descriptor that it does not own, and does not move."""

    def __init__(self, descriptor: int, size: int, threads: int = _THREADS) -> None:
        self._descriptor: Final = descriptor
        self._size: Final = size
        self._offset = 0
        self._pool: Final = ThreadPoolExecutor(threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a negative offset")
        self._offset = base + offset
        return self._offset

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """All that is asked for, or less only at the end of the file."""
        view = memoryview(buffer).cast("B")
        view = view[: max(self._size - self._offset, 0)]
        starts = range(0, len(view), _PIECE_BYTES)
        pieces = [(view[start : start + _PIECE_BYTES], self._offset + start) for start in starts]
        begun: list[Future[int]] = []
        left = pieces[:1]
        for number, piece in enumerate(pieces[1:], 1):
            try:
                begun.append(self._pool.submit(self._fill, *piece))
            except RuntimeError:  # the limit of threads: this one reads the rest
                left += pieces[number:]
                break
        try:
            count = sum(self._fill(*piece) for piece in left)
        finally:
            wait(begun)  # whatever happens, nobody writes into the buffer when this returns
        count += sum(part.result() for part in begun)
        if count != len(view):
            raise OSError("the file is shorter than it was")
        self._offset += count
        return count

    def _fill(self, view: memoryview, offset: int) -> int:
        done = 0
        while done < len(view):
            count = pread_into(self._descriptor, view[done:], offset + done)
            if count == 0:
                break
            done += count
        return done
