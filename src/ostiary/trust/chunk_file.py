"""The sidecar `model.chunks.json`: the leaves of every chunk tree, so that a part of a file can be checked alone.

Worth nothing by itself: leaves count only where they lead to a root that was signed (docs/formats/chunk-tree.md).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.core.chunk_tree import HASH_BYTES, begin_leaf, compute_tree_root
from ostiary.core.limits import MAX_CHUNK_FILE_BYTES, MAX_STATEMENT_VALUES
from ostiary.core.text import quote_untrusted
from ostiary.errors import TRUST_DIGEST_MISMATCH, TRUST_MISSING_FILE, TrustRefused
from ostiary.trust.evidence import SignedFile
from ostiary.trust.json_fields import check_keys, decode_base64, malformed, parse_object, take_object, take_text

_FORMAT: Final = "ostiary.chunks/v1"


def write_chunk_file(leaves: Mapping[str, Sequence[bytes]]) -> bytes:
    """Path to leaves, as bytes: one spelling."""
    files = {path: b64encode(b"".join(hashes)).decode("ascii") for path, hashes in leaves.items()}
    value = {"format": _FORMAT, "files": files}
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def parse_chunk_file(data: bytes) -> Mapping[str, tuple[bytes, ...]]:
    """Path to leaves, or a TrustRefused."""
    value = parse_object(data, "the chunk file", MAX_CHUNK_FILE_BYTES, MAX_STATEMENT_VALUES)
    check_keys(value, "the chunk file", ("format", "files"))
    if take_text(value, "format", "the chunk file") != _FORMAT:
        raise malformed(f"the chunk file is not of the format {_FORMAT}")
    files = take_object(value, "files", "the chunk file")
    leaves: dict[str, tuple[bytes, ...]] = {}
    for path in files:
        hashes = decode_base64(take_text(files, path, "the chunk file"), "the leaves of a file")
        if len(hashes) % HASH_BYTES:
            raise malformed(f"the leaves of {quote_untrusted(path)} are not whole hashes")
        leaves[path] = tuple(hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES))
    return leaves


class PartVerifier:
    """Checks parts of one signed file, whole chunks at a time, without reading the rest of it."""

    def __init__(self, file: SignedFile, leaves: Sequence[bytes]) -> None:
        """Refuses leaves that do not lead to the signed root."""
        if file.chunks is None:
            raise TrustRefused(TRUST_MISSING_FILE, f"{quote_untrusted(file.path)} was signed without a chunk tree")
        if compute_tree_root(leaves).hex() != file.chunks.root:
            raise TrustRefused(
                TRUST_DIGEST_MISMATCH, f"{quote_untrusted(file.path)}: the leaves are not those that were signed"
            )
        self.chunk_bytes: Final = file.chunks.chunk_bytes
        self.chunks: Final = len(leaves)
        self._path: Final = file.path
        self._leaves: Final = tuple(leaves)

    def list_chunks(self, start: int, end: int) -> range:
        """The chunks that must be read to check the bytes from `start` to before `end`."""
        return range(start // self.chunk_bytes, min(-(-end // self.chunk_bytes), self.chunks))

    def verify_chunk(self, index: int, data: bytes | memoryview) -> None:
        """Returns where `data` is the whole chunk of this index, refuses otherwise."""
        leaf = begin_leaf()
        leaf.update(data)
        if not 0 <= index < self.chunks or leaf.digest() != self._leaves[index]:
            raise TrustRefused(
                TRUST_DIGEST_MISMATCH,
                f"{quote_untrusted(self._path)}: chunk {index} is not the one that was signed",
                path=self._path,
            )
