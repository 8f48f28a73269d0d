"""How the bytes of a model are hashed: whole files, and trees of chunks where signatures need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.values import dataclass

_WORTH_CHUNKS_BYTES: Final = 32 << 20  # below, one core hashes a file before threads have shared it out


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """What a signature says of a file: its digest, and the tree by which its bytes can be checked instead."""

    sha256: str
    chunks: ChunkTree


@dataclass(frozen=True, slots=True)
class DeferredFile:
    """What signatures say of weights whose bytes somebody else will compare: the vault, before it hands one out."""

    sha256: str
    chunks: ChunkTree | None = None


@dataclass(frozen=True, slots=True)
class HashPlan:
    """Asked for beside the plain digest of every file."""

    claimed: Mapping[str, ClaimedFile] = field(default_factory=dict)
    """Files that may be read by their chunks, by all cores, instead of from end to end."""
    tree_from_bytes: int | None = None
    """Files of at least this size get a chunk tree beside their digest."""
    deferred: Mapping[str, DeferredFile] = field(default_factory=dict)
    """Weights of which only those parts are read that are judged. For who seals them afterwards only."""

    def choose_chunked(self, path: str, size: int, total_bytes: int, threads: int) -> ClaimedFile | None:
        """The claim to read a file by, where it ends sooner: the file is more than one thread's share of all."""
        if threads < 2 or size < _WORTH_CHUNKS_BYTES or size * threads <= total_bytes:
            return None
        return self.claimed.get(path)


PLAIN: Final = HashPlan()
