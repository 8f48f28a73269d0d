from __future__ import annotations

import pytest

from ostiary.errors import RecordRefused
from ostiary.record.merkle import (
    EMPTY_ROOT,
    add_leaf,
    hash_leaf,
    list_peaks,
    prove_consistency,
    prove_inclusion,
    root_of_peaks,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots that certificate-transparency's own tests have used since 2013.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def grow(count: int) -> tuple[list[bytes], list[bytes]]:
    peaks: list[bytes] = []
    rows = [add_leaf(peaks, index, hash_leaf(leaf)) for index, leaf in enumerate(LEAVES[:count])]
    return peaks, rows


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of_peaks([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    peaks, _ = grow(size)
    assert root_of_peaks(peaks).hex() == ROOTS[size - 1]


def test_an_inclusion_proof_is_the_published_one() -> None:
    _, rows = grow(8)
    proof = prove_inclusion(lambda level, index: rows[((index + 1) << level) - 1][32 * level :][:32], 0, 8)
    assert [node.hex() for node in proof] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def test_a_consistency_proof_is_the_published_one() -> None:
    _, rows = grow(8)
    proof = prove_consistency(lambda level, index: rows[((index + 1) << level) - 1][32 * level :][:32], 6, 8)
    assert [node.hex() for node in proof] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    verify_consistency(6, 8, bytes.fromhex(ROOTS[5]), bytes.fromhex(ROOTS[7]), proof)


def test_peaks_are_the_binary_digits_of_the_size() -> None:
    assert list_peaks(0, 11) == [(3, 0), (1, 4), (0, 10)]
    assert list_peaks(0, 0) == []


def test_nothing_is_proven_outside_the_tree() -> None:
    with pytest.raises(ValueError, match="outside"):
        prove_inclusion(lambda *_: b"", 3, 3)
    with pytest.raises(ValueError, match="larger"):
        prove_consistency(lambda *_: b"", 4, 3)
    with pytest.raises(RecordRefused):
        verify_inclusion(3, 3, b"", (), b"")
    with pytest.raises(RecordRefused):
        verify_consistency(4, 3, b"", b"", ())


def test_two_roots_of_one_size_are_never_consistent() -> None:
    first, second = bytes.fromhex(ROOTS[0]), bytes.fromhex(ROOTS[1])
    verify_consistency(1, 1, first, first, ())
    with pytest.raises(RecordRefused, match="different roots"):
        verify_consistency(1, 1, first, second, ())
    with pytest.raises(RecordRefused):
        verify_consistency(0, 0, EMPTY_ROOT, first, ())
    with pytest.raises(RecordRefused):
        verify_consistency(1, 1, first, first, (first,))
    with pytest.raises(RecordRefused):
        verify_consistency(3, 4, first, second, ())
