"""Compares the bytes behind a descriptor with what was verified of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Final

from ostiary.core.chunk_tree import ChunkTree, begin_leaf, compute_tree_root, count_chunks
from ostiary.core.tickets import FileEntry
from ostiary.vault.hold import GoOn
from ostiary.vault.place import refuse_changed, tell_unreadable

_PIECE_BYTES: Final = 256 << 10  # stays in a core's own cache between being read and being hashed


def compare_digest(descriptor: int, entry: FileEntry, go_on: GoOn) -> None:
    """Every byte, by the digest or, where the file was judged by its chunks, by those. Raises VaultRefused."""
    view = memoryview(bytearray(min(_PIECE_BYTES, max(entry.size, 1))))

    def feed(update: Callable[[memoryview], object], start: int, end: int) -> None:
        while start < end:
            go_on()
            try:
                count = os.preadv(descriptor, [view[: end - start]], start)
            except OSError as error:
                raise tell_unreadable(entry, error) from error
            if count == 0:
                raise refuse_changed(entry, "it became shorter while it was read")
            update(view[:count])
            start += count

    if entry.chunks is None:
        digest = hashlib.sha256()
        feed(digest.update, 0, entry.size)
        is_same = digest.hexdigest() == entry.sha256
    else:
        size = entry.chunks.chunk_bytes
        leaves = []
        for index in range(count_chunks(entry.size, size)):
            leaf = begin_leaf()
            feed(leaf.update, index * size, min((index + 1) * size, entry.size))
            leaves.append(leaf.digest())
        is_same = ChunkTree(size, compute_tree_root(leaves).hex()) == entry.chunks
    if not is_same or os.fstat(descriptor).st_size != entry.size:
        raise refuse_changed(entry, "its bytes are not those that were verified")
