"""A file's bytes as a tree of chunks, so that many cores can hash one file and a part can be checked alone.

RFC 6962 hashing over fixed-size chunks, the last one shorter; the root of an empty file is SHA-256 of nothing.
docs/formats/chunk-tree.md is the format, with vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.core.values import dataclass

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Digest(Protocol):
    """What hashlib gives."""

    def update(self, data: ReadableBuffer, /) -> None: ...
    def digest(self) -> bytes: ...


_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_SMALLEST_CHUNK_BYTES: Final = 1 << 20
_WANTED_CHUNKS: Final = 4_096
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ChunkTree:
    """A second way to state a file's bytes: the RFC 6962 root over its chunks (docs/formats/chunk-tree.md)."""

    chunk_bytes: int
    root: str


def choose_chunk_bytes(size: int) -> int:
    """1 MiB, doubled until there are at most 4,096 chunks: small enough to check a part, few enough to list."""
    chunk_bytes = _SMALLEST_CHUNK_BYTES
    while size > chunk_bytes * _WANTED_CHUNKS:
        chunk_bytes *= 2
    return chunk_bytes


def count_chunks(size: int, chunk_bytes: int) -> int:
    return -(-size // chunk_bytes)


def begin_leaf() -> Digest:
    """A digest that the chunk's bytes are fed into."""
    return sha256(_LEAF)


def compute_tree_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, level by level: RFC 6962 lifts a last odd node up unchanged."""
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        above = [sha256(_NODE + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]
