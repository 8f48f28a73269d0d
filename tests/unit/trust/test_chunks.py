"""Chunk trees: one root whatever way a file is read, and parts that can be checked alone."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from forge import ALICE, CLAIMS, NOW, make_manifest

from ostiary.core.chunk_tree import ChunkTree, choose_chunk_bytes, compute_tree_root
from ostiary.errors import TrustRefused
from ostiary.intake.read_chunks import ChunkReader, LeafHasher
from ostiary.record.merkle import hash_leaf, root_of_peaks
from ostiary.trust.bundle import parse_bundle
from ostiary.trust.chunk_file import PartVerifier, parse_chunk_file, write_chunk_file
from ostiary.trust.evidence import SignedFile
from ostiary.trust.judge import plan_chunks
from ostiary.trust.material import TrustMaterial
from ostiary.trust.sign import sign_manifest
from ostiary.trust.statement import parse_statement
from ostiary.trust.verify import SignatureFile, verify_manifest

CHUNK = 1 << 16


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + slow_root(leaves[:k]) + slow_root(leaves[k:])).digest()


@pytest.mark.parametrize("count", range(0, 18))
def test_the_root_is_that_of_rfc_6962(count: int) -> None:
    leaves = [hash_leaf(bytes([n])) for n in range(count)]
    assert compute_tree_root(leaves) == slow_root(leaves)
    assert count != 1 or compute_tree_root(leaves) == root_of_peaks(leaves)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 16 * CHUNK, 37 * CHUNK + 17])
@pytest.mark.parametrize("kept_bytes", [0, 100, CHUNK + 5])
def test_reading_by_chunks_and_end_to_end_see_the_same(tmp_path: Path, size: int, kept_bytes: int) -> None:
    data = bytes(n * 7 % 251 for n in range(size))
    path = tmp_path / "weights"
    path.write_bytes(data)
    hasher = LeafHasher(CHUNK)
    for start in range(0, size, 1_000):
        hasher.update(data[start : start + 1_000])
    expected = tuple(hash_leaf(data[i : i + CHUNK]) for i in range(0, size, CHUNK))
    assert hasher.finish() == expected
    advanced: list[int] = []
    descriptor = os.open(path, os.O_RDONLY)
    try:
        reader = ChunkReader(descriptor, size, data[:kept_bytes], CHUNK, advanced.append)
        assert reader.read(3) == expected
    finally:
        os.close(descriptor)
    assert sum(advanced) == size
    assert reader.tail == data[-65_557:]
    assert not reader.is_short


def test_a_file_that_became_shorter_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(CHUNK))
    descriptor = os.open(tmp_path / "weights", os.O_RDONLY)
    try:
        reader = ChunkReader(descriptor, 3 * CHUNK, b"", CHUNK, lambda _count: None)
        reader.read(2)
        assert reader.is_short
    finally:
        os.close(descriptor)


def test_there_are_never_more_than_4096_chunks() -> None:
    for size in (1, 1 << 20, 1 << 32, (1 << 32) + 1, 1 << 42):
        assert -(-size // choose_chunk_bytes(size)) <= 4_096


# --- signed --------------------------------------------------------------------------------------------------------

DATA = b"".join(bytes([n]) * CHUNK for n in range(3)) + b"end"  # 4 chunks
LEAVES = [hash_leaf(DATA[i : i + CHUNK]) for i in range(0, len(DATA), CHUNK)]
TREE = ChunkTree(CHUNK, compute_tree_root(LEAVES).hex())
MATERIAL = TrustMaterial(keys=[ALICE.public_key])


def _signed() -> SignatureFile:
    manifest = make_manifest({"w": DATA})
    return SignatureFile("model.sig", sign_manifest(manifest, ALICE, CLAIMS, chunks={"w": TREE}))


def test_a_plan_comes_from_known_signers_only() -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    assert plan_chunks([_signed()], MATERIAL, NOW) == {"w": (sha256, TREE)}
    assert plan_chunks([_signed()], TrustMaterial(), NOW) == {}
    assert plan_chunks([SignatureFile("model.sig", b"{}")], MATERIAL, NOW) == {}
    without = SignatureFile("model.2.sig", sign_manifest(make_manifest({"w": DATA}), ALICE, CLAIMS))
    assert plan_chunks([_signed(), without], MATERIAL, NOW) == {}


def test_a_file_read_by_another_tree_than_was_signed() -> None:
    """A digest that was only claimed stands with the very statement that states the tree, and with no other."""
    from dataclasses import replace

    manifest = make_manifest({"w": DATA})
    entry = manifest.files[0]
    for chunks, is_right in (
        (TREE, True),
        (ChunkTree(CHUNK, "00" * 32), False),
        (ChunkTree(2 * CHUNK, TREE.root), False),
    ):
        claimed = replace(manifest, files=(replace(entry, chunks=chunks),))
        if is_right:
            assert verify_manifest(claimed, [_signed()], MATERIAL, NOW).vouchings
            continue
        with pytest.raises(TrustRefused) as caught:
            verify_manifest(claimed, [_signed()], MATERIAL, NOW)
        assert caught.value.code == "TRUST_DIGEST_MISMATCH"


def test_a_part_is_checked_alone() -> None:
    signed = parse_statement(parse_bundle(_signed().data).payload).files[0]
    leaves = parse_chunk_file(write_chunk_file({"w": LEAVES}))["w"]
    part = PartVerifier(signed, leaves)
    chunks = part.list_chunks(CHUNK + 9, 2 * CHUNK + 1)
    assert list(chunks) == [1, 2]
    for index in chunks:
        data = DATA[index * CHUNK : (index + 1) * CHUNK]
        part.verify_chunk(index, data)
        for wrong in (data[:-1], data + b"\0", bytes([data[0] ^ 1]) + data[1:]):
            with pytest.raises(TrustRefused):
                part.verify_chunk(index, wrong)
    for index in (-1, 4):
        with pytest.raises(TrustRefused):
            part.verify_chunk(index, DATA[:CHUNK])


def test_leaves_that_lead_to_no_signed_root() -> None:
    with pytest.raises(TrustRefused) as caught:
        PartVerifier(SignedFile("w", "00" * 32, TREE), [*LEAVES[1:], LEAVES[0]])
    assert caught.value.code == "TRUST_DIGEST_MISMATCH"
    with pytest.raises(TrustRefused):
        PartVerifier(SignedFile("w", "00" * 32), LEAVES)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"format":"ostiary.chunks/v2","files":{}}',
        json.dumps({"format": "ostiary.chunks/v1", "files": {"w": "AAAA"}}).encode(),
        json.dumps({"format": "ostiary.chunks/v1", "files": {"w": 7}}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_chunk_file_of_the_wrong_form(data: bytes) -> None:
    with pytest.raises(TrustRefused):
        parse_chunk_file(data)


def test_the_vectors_of_the_format_page() -> None:
    import re

    page = Path(__file__).resolve().parents[3] / "docs" / "formats" / "chunk-tree.md"
    rows = re.findall(
        r"^\| ([\d,]+) x (\d) \| `([0-9a-f]{64})` \|$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == 5
    for count, value, root in rows:
        data = bytes([int(value)]) * int(count.replace(",", ""))
        hasher = LeafHasher(CHUNK)
        hasher.update(data)
        assert compute_tree_root(hasher.finish()).hex() == root
