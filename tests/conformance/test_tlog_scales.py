"""Somebody else's verifier reads our tiles, checkpoints, keys and proofs: tlog-scales, which nobody here wrote."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from record_tools import fill, make_event

from ostiary.errors import RecordRefused
from ostiary.record.begin import open_log, open_reader
from ostiary.record.checkpoint import verify_checkpoint
from ostiary.record.keys import has_algorithm
from ostiary.record.merkle import prove_consistency, verify_consistency, verify_inclusion
from ostiary.record.note import Algorithm, parse_verifier_key
from ostiary.record.proof import parse_proof, prove_entry
from ostiary.record.tiles import export_tiles

pytest.importorskip("tlog_scales", reason="the independent verifier is not installed")

from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import MLDSA44CosignatureSigner, PlainEd25519Signer, Vkey, VkeySet
from tlog_scales.tlog import (
    Checkpoint,
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)

SIZE = 700


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("record")
    with open_log(place) as log:
        log.append_many([make_event(i) for i in range(SIZE - 1)])
    return place


@pytest.fixture(scope="module")
def tiles(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tiles")
    with open_reader(state) as reader:
        latest = reader.read_latest_checkpoint()
        assert latest is not None
        export_tiles(reader, place, latest[1])
    return place


def read_keys(state: Path) -> list[str]:
    with open_reader(state) as reader:
        return list(reader.read_keys()[0][1])


def test_it_verifies_both_our_signatures(state: Path, tiles: Path) -> None:
    checkpoint = TilesReader(LocalBackend(tiles)).get_checkpoint()
    keys = [Vkey.from_string(key) for key in read_keys(state)]
    valid = VkeySet(*keys).verify(checkpoint.signatures, checkpoint)
    assert {key.sig_type for key, _ in valid} == ({1, 6} if has_algorithm(Algorithm.MLDSA44) else {1})
    assert [key.serialize() for key in keys] == read_keys(state)


def test_it_computes_the_signed_root_from_our_tiles_and_entries(tiles: Path) -> None:
    reader = TilesReader(LocalBackend(tiles))
    checkpoint = reader.get_checkpoint()
    assert checkpoint.size == SIZE
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in (0, 255, 256, 511, 512, SIZE - 1):
        leaf = hashlib.sha256(b"\x00" + reader.get_entry(index)).digest()
        assert reader._get_from_tile(0, *divmod(index, 256)) == leaf
        reader.get_inclusion_proof(index, SIZE).check(leaf, checkpoint.root_hash)


def test_it_finds_a_changed_tile(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "tiles")
    path = tmp_path / "tiles" / "tile" / "0" / "001"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    reader = TilesReader(LocalBackend(tmp_path / "tiles"))
    checkpoint = reader.get_checkpoint()
    proof = reader.get_inclusion_proof(600, SIZE)
    # Entry 600 is proven by the hash of the whole tile, which stands one level up; entry 510 by the changed hash.
    proof.check(hashlib.sha256(b"\x00" + reader.get_entry(600)).digest(), checkpoint.root_hash)
    leaf = hashlib.sha256(b"\x00" + reader.get_entry(510)).digest()
    with pytest.raises(InclusionProofInvalid):
        reader.get_inclusion_proof(510, SIZE).check(leaf, checkpoint.root_hash)


def test_it_verifies_our_tlog_proofs(state: Path) -> None:
    with open_reader(state) as reader:
        latest = reader.read_latest_checkpoint()
        assert latest is not None
        for index in (0, 1, 300, SIZE - 1):
            ours = parse_proof(prove_entry(reader, index, latest[1]))
            theirs = Checkpoint.from_text(ours.checkpoint.decode())
            assert ours.extra is not None
            leaf = hashlib.sha256(b"\x00" + ours.extra).digest()
            InclusionProof(ours.index, theirs.size, list(ours.siblings)).check(leaf, theirs.root_hash)


def test_consistency_proofs_are_the_same_both_ways(state: Path, tiles: Path) -> None:
    theirs = TilesReader(LocalBackend(tiles))
    theirs.get_checkpoint()
    with open_reader(state) as reader:
        for old in (1, 2, 255, 256, 300, 512, 699, 700):
            ours = prove_consistency(reader.read_node, old, SIZE)
            proof = theirs.get_consistency_proof(old, SIZE)
            assert proof.node_hashes == list(ours)
            old_root, root = reader.read_root(old), reader.read_root(SIZE)
            verify_consistency(old, SIZE, old_root, root, proof.node_hashes)
            ConsistencyProof(old, SIZE, list(ours)).check(old_root, root)
            if old < SIZE:
                with pytest.raises(ConsistencyProofInvalid):
                    ConsistencyProof(old, SIZE, list(ours)).check(bytes(32), root)


def test_we_verify_what_it_signs_and_proves(tiles: Path) -> None:
    theirs = TilesReader(LocalBackend(tiles))
    root = theirs.get_checkpoint().root_hash
    signers = [PlainEd25519Signer("example.com/log", bytes(range(32)))]
    if has_algorithm(Algorithm.MLDSA44):
        signers.append(MLDSA44CosignatureSigner("example.com/log", bytes(range(1, 33))))
    note = Checkpoint.make_signed("example.com/log", SIZE, root, signers).serialize().encode()
    keys = [parse_verifier_key(signer.vkey.serialize()) for signer in signers]
    signed = verify_checkpoint(note, keys)
    assert (signed.checkpoint.size, signed.checkpoint.root) == (SIZE, root)
    assert len(signed.keys) == len(signers)
    with pytest.raises(RecordRefused):
        verify_checkpoint(note.replace(b"\n700\n", b"\n701\n"), keys)
    proof = theirs.get_inclusion_proof(300, SIZE)
    leaf = hashlib.sha256(b"\x00" + theirs.get_entry(300)).digest()
    verify_inclusion(300, SIZE, leaf, proof.node_hashes, root)


def test_a_record_that_grew_gives_tiles_that_still_verify(tmp_path: Path) -> None:
    for _ in range(3):
        note = fill(tmp_path / "state", 130)
        with open_reader(tmp_path / "state") as reader:
            export_tiles(reader, tmp_path / "tiles", note)
        theirs = TilesReader(LocalBackend(tmp_path / "tiles"))
        checkpoint = theirs.get_checkpoint()
        assert theirs.calculate_root_hash() == checkpoint.root_hash
