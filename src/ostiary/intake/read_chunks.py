"""Reads one file by its chunks, with several threads: every byte once, and what parsers keep is what was hashed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from ostiary.core.chunk_tree import Digest, begin_leaf, count_chunks
from ostiary.core.limits import MAX_TAIL_BYTES

_PIECE_BYTES: Final = 1 << 20  # large enough that the digest, not the interpreter, sets the pace
_CHUNKS_IN_A_RUN: Final = 16  # handing each to a thread by itself takes a tenth of the time that hashing takes


class LeafHasher:
    """Leaves of a file that passes by from beginning to end, in pieces of any length."""

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes: Final = chunk_bytes
        self._left = chunk_bytes
        self._leaf: Digest | None = None
        self._leaves: Final[list[bytes]] = []

    def update(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            if self._leaf is None:
                self._leaf = begin_leaf()
            piece = view[: self._left]
            self._leaf.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]
            if self._left == 0:
                self._end_leaf()

    def finish(self) -> tuple[bytes, ...]:
        self._end_leaf()
        return tuple(self._leaves)

    def _end_leaf(self) -> None:
        if self._leaf is not None:
            self._leaves.append(self._leaf.digest())
        self._leaf = None
        self._left = self._chunk_bytes


class ChunkReader:
    """One file whose first bytes were read already (`kept`); the rest is read here, each byte once."""

    def __init__(
        self, descriptor: int, size: int, kept: bytes, chunk_bytes: int, advance: Callable[[int], None]
    ) -> None:
        self._descriptor: Final = descriptor
        self._size: Final = size
        self._kept: Final = kept
        self._chunk_bytes: Final = chunk_bytes
        self._advance: Final = advance
        self._tail: Final = bytearray(min(size, MAX_TAIL_BYTES))
        self._buffers: Final = threading.local()
        self.is_short = False
        """Whether the file ended before its size."""

    def read(self, threads: int) -> tuple[bytes, ...]:
        """The leaves, in order."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # slow to import, for large files

        chunks = range(count_chunks(self._size, self._chunk_bytes))
        runs = [chunks[first : first + _CHUNKS_IN_A_RUN] for first in chunks[::_CHUNKS_IN_A_RUN]]
        with ThreadPoolExecutor(threads) as pool:
            return tuple(leaf for leaves in pool.map(self._read_run, runs) for leaf in leaves)

    @property
    def tail(self) -> bytes:
        """The end of the file, of the very bytes that were hashed."""
        return bytes(self._tail)

    def _read_run(self, indices: range) -> list[bytes]:
        return [self._read_chunk(index) for index in indices]

    def _read_chunk(self, index: int) -> bytes:
        start = index * self._chunk_bytes
        end = min(start + self._chunk_bytes, self._size)
        leaf = begin_leaf()
        known = memoryview(self._kept)[start:end]
        if len(known):
            leaf.update(known)
            self._keep_tail(start, known)
            start += len(known)
            self._advance(len(known))
        view = self._buffer()
        while start < end:
            count = os.preadv(self._descriptor, [view[: end - start]], start)
            if count == 0:
                self.is_short = True
                break
            leaf.update(view[:count])
            self._keep_tail(start, view[:count])
            start += count
            self._advance(count)
        return leaf.digest()

    def _buffer(self) -> memoryview:
        """One per thread, used again for every piece."""
        found: memoryview | None = getattr(self._buffers, "view", None)
        if found is None:
            found = self._buffers.view = memoryview(bytearray(_PIECE_BYTES))
        return found

    def _keep_tail(self, start: int, piece: memoryview) -> None:
        begin = self._size - len(self._tail)
        if start + len(piece) <= begin:
            return
        skipped = max(0, begin - start)
        at = start + skipped - begin
        self._tail[at : at + len(piece) - skipped] = piece[skipped:]
