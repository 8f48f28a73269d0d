"""Every byte counts, by the digest or by the chunks that the file was judged by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.core.chunk_tree import ChunkTree, begin_leaf, compute_tree_root
from ostiary.core.tickets import FileEntry, FileKind
from ostiary.errors import SourceUnreadable, VaultRefused
from ostiary.vault.compare import compare_bytes
from ostiary.vault.hold import Abandoned

DATA = os.urandom(700_001)
CHUNK = 1 << 16


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(DATA)
    descriptor = os.open(tmp_path / "file", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def entry(chunks: ChunkTree | None = None, sha256: str = "", size: int = len(DATA)) -> FileEntry:
    return FileEntry("file", size, sha256 or hashlib.sha256(DATA).hexdigest(), FileKind.SAFETENSORS, chunks)


def tree(data: bytes) -> ChunkTree:
    leaves = []
    for start in range(0, len(data), CHUNK):
        leaf = begin_leaf()
        leaf.update(data[start : start + CHUNK])
        leaves.append(leaf.digest())
    return ChunkTree(CHUNK, compute_tree_root(leaves).hex())


def test_the_right_bytes_pass(descriptor: int) -> None:
    compare_bytes(descriptor, entry(), lambda: None)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0


@pytest.mark.parametrize("offset", [0, 262_143, 262_144, len(DATA) - 1])
@pytest.mark.parametrize("chunks", [None, tree(DATA)], ids=["digest", "chunks"])
def test_one_wrong_bit_anywhere_does_not(descriptor: int, offset: int, chunks: ChunkTree | None) -> None:
    os.pwrite(descriptor, bytes([DATA[offset] ^ 0x80]), offset)
    with pytest.raises(VaultRefused):
        compare_bytes(descriptor, entry(chunks), lambda: None)


@pytest.mark.parametrize("size", [0, 1, len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("chunks", [None, tree(DATA)], ids=["digest", "chunks"])
def test_another_length_does_not(descriptor: int, size: int, chunks: ChunkTree | None) -> None:
    os.ftruncate(descriptor, size)
    with pytest.raises(VaultRefused):
        compare_bytes(descriptor, entry(chunks), lambda: None)


def test_what_was_judged_by_chunks_is_compared_by_chunks(descriptor: int) -> None:
    """A signature may state a digest and a tree of two files; the parts that were judged are those of the tree."""
    for threads in (1, 4):
        compare_bytes(descriptor, entry(tree(DATA), sha256="0" * 64), lambda: None, threads)
    with pytest.raises(VaultRefused):
        compare_bytes(descriptor, entry(tree(DATA[::-1])), lambda: None)


def test_an_empty_file_has_a_digest_as_well(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    compare_bytes(descriptor, entry(sha256=hashlib.sha256().hexdigest(), size=0), lambda: None)
    compare_bytes(descriptor, entry(tree(b""), size=0), lambda: None)


def test_a_file_that_cannot_be_read_is_not_called_changed(descriptor: int, tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(SourceUnreadable):
            compare_bytes(directory, entry(), lambda: None)
    finally:
        os.close(directory)


def test_nobody_waits_for_what_nobody_wants(descriptor: int) -> None:
    def go_on() -> None:
        raise Abandoned

    with pytest.raises(Abandoned):
        compare_bytes(descriptor, entry(), go_on)
