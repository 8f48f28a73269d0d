"""Compares the bytes behind a descriptor with what was verified of them."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ostiary.core.chunk_tree import ChunkTree, Digest, begin_leaf, compute_tree_root, count_chunks
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, JudgedParts
from ostiary.errors import VAULT_NOT_AS_SIGNED, VaultRefused
from ostiary.vault.hold import GoOn
from ostiary.vault.place import refuse_changed, tell_unreadable

_PIECE_BYTES: Final = 256 << 10  # stays in a core's own cache between being read and being hashed
_CHUNKS_IN_A_RUN: Final = 16  # handing each to a thread by itself costs a tenth of the time


def compare_bytes(descriptor: int, entry: FileEntry, go_on: GoOn, threads: int = 1) -> None:
    """Every byte, by the digest or, where the file was judged by its chunks, by those. Raises VaultRefused.

    Of weights whose digest was left to us, first the parts that were judged: they must be parts of this file.
    """
    reader = _Reader(descriptor, entry, go_on)
    if entry.parts is not None:
        _compare_parts(reader, entry, entry.parts)
    if entry.chunks is None:
        is_same = reader.hash_range(hashlib.sha256(), 0, entry.size).hex() == entry.sha256
    else:
        is_same = reader.hash_chunks(entry.chunks.chunk_bytes, threads) == entry.chunks
    if not is_same and entry.parts is not None:
        sentence = f"{quote_untrusted(entry.path)}: its bytes are not those that were signed"
        raise VaultRefused(VAULT_NOT_AS_SIGNED, sentence, path=entry.path)
    if not is_same or os.fstat(descriptor).st_size != entry.size:
        raise refuse_changed(entry, "its bytes are not those that were verified")


def _compare_parts(reader: _Reader, entry: FileEntry, parts: JudgedParts) -> None:
    head = reader.hash_range(hashlib.sha256(), 0, parts.head_bytes)
    tail = reader.hash_range(hashlib.sha256(), entry.size - parts.tail_bytes, entry.size)
    if (head.hex(), tail.hex()) != (parts.head_sha256, parts.tail_sha256):
        raise refuse_changed(entry, "its bytes are not those that were judged")


class _Reader:
    """Reads the file by ranges, each byte into a small buffer and from there into a digest."""

    def __init__(self, descriptor: int, entry: FileEntry, go_on: GoOn) -> None:
        self._descriptor: Final = descriptor
        self._entry: Final = entry
        self._go_on: Final = go_on

    def hash_range(self, digest: Digest, start: int, end: int) -> bytes:
        view = memoryview(bytearray(min(_PIECE_BYTES, max(end - start, 1))))
        while start < end:
            self._go_on()
            try:
                count = os.preadv(self._descriptor, [view[: end - start]], start)
            except OSError as error:
                raise tell_unreadable(self._entry, error) from error
            if count == 0:
                raise refuse_changed(self._entry, "it became shorter while it was read")
            digest.update(view[:count])
            start += count
        return digest.digest()

    def hash_chunks(self, chunk_bytes: int, threads: int) -> ChunkTree:
        size = self._entry.size

        def hash_run(run: range) -> list[bytes]:
            return [self.hash_range(begin_leaf(), n * chunk_bytes, min((n + 1) * chunk_bytes, size)) for n in run]

        chunks = range(count_chunks(size, chunk_bytes))
        runs = [chunks[first : first + _CHUNKS_IN_A_RUN] for first in chunks[::_CHUNKS_IN_A_RUN]]
        with ThreadPoolExecutor(threads) as pool:
            leaves = [leaf for leaves in pool.map(hash_run, runs) for leaf in leaves]
        return ChunkTree(chunk_bytes, compute_tree_root(leaves).hex())
