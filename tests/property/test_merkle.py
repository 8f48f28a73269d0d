"""The tree against a naive reading of RFC 6962, section 2.1."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import RecordRefused
from ostiary.record.merkle import (
    add_leaf,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    root_of_peaks,
    verify_consistency,
    verify_inclusion,
)


def split(entries: int) -> int:
    k = 1
    while k * 2 < entries:
        k *= 2
    return k


def naive_root(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_proof(m: int, entries: list[bytes], whole: bool = True) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = split(len(entries))
    if m <= k:
        return [*naive_proof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_proof(m - k, entries[k:], False), naive_root(entries[:k])]


class Tree:
    def __init__(self, entries: list[bytes]) -> None:
        self.peaks: list[bytes] = []
        self.rows = [add_leaf(self.peaks, index, hash_leaf(entry)) for index, entry in enumerate(entries)]

    def read_node(self, level: int, index: int) -> bytes:
        return self.rows[((index + 1) << level) - 1][32 * level : 32 * level + 32]


entries_and_index = st.lists(st.binary(max_size=3), min_size=1, max_size=70).flatmap(
    lambda entries: st.tuples(st.just(entries), st.integers(0, len(entries) - 1))
)


@given(entries_and_index)
def test_roots_and_inclusion_proofs_are_the_naive_ones(case: tuple[list[bytes], int]) -> None:
    entries, index = case
    tree = Tree(entries)
    assert root_of_peaks(tree.peaks) == naive_root(entries)
    proof = prove_inclusion(tree.read_node, index, len(entries))
    assert list(proof) == naive_path(index, entries)
    verify_inclusion(index, len(entries), hash_leaf(entries[index]), proof, naive_root(entries))


@given(entries_and_index)
def test_consistency_proofs_are_the_naive_ones(case: tuple[list[bytes], int]) -> None:
    entries, before = case
    tree = Tree(entries)
    old = before + 1
    proof = prove_consistency(tree.read_node, old, len(entries))
    assert list(proof) == naive_proof(old, entries)
    verify_consistency(old, len(entries), naive_root(entries[:old]), naive_root(entries), proof)


@given(entries_and_index, st.data())
def test_a_proof_of_anything_else_is_refused(case: tuple[list[bytes], int], data: st.DataObject) -> None:
    entries = [bytes([i]) + entry for i, entry in enumerate(case[0])]
    index, size = case[1], len(entries)
    tree, root = Tree(entries), naive_root(entries)
    proof = list(prove_inclusion(tree.read_node, index, size))
    other = data.draw(st.integers(0, size))
    wrong_proof = data.draw(
        st.sampled_from([proof[:-1], [*proof, root], proof[::-1], [bytes(32), *proof[1:]]]).filter(
            lambda p: p != proof
        )
    )
    with pytest.raises(RecordRefused):
        verify_inclusion(index, size, hash_leaf(entries[index]), wrong_proof, root)
    with pytest.raises(RecordRefused):
        verify_inclusion(index, size, hash_leaf(b"something else"), proof, root)
    if other != index:
        with pytest.raises(RecordRefused):
            verify_inclusion(other, size, hash_leaf(entries[index]), proof, root)


@given(st.lists(st.binary(max_size=2), min_size=2, max_size=40), st.data())
def test_trees_that_do_not_continue_one_another_are_never_consistent(
    entries: list[bytes], data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, len(entries) - 1))
    changed = data.draw(st.integers(0, old - 1))
    other = [*entries]
    other[changed] += b"!"
    tree = Tree(entries)
    honest = prove_consistency(tree.read_node, old, len(entries))
    claimed = data.draw(
        st.sampled_from([list(honest), list(prove_consistency(Tree(other).read_node, old, len(other))), []])
    )
    with pytest.raises(RecordRefused):
        verify_consistency(old, len(entries), naive_root(other[:old]), naive_root(entries), claimed)
