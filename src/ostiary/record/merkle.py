"""The tree: RFC 6962 hashing, proofs and their verification. Pure; hashes of whole subtrees come from a callable.

A node is named by its level (0 is a leaf) and its index within the level; only nodes of whole subtrees, which never
change again, are ever stored. Section numbers are those of RFC 9162, which describes the same tree more plainly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from ostiary.errors import RECORD_BAD_PROOF, RecordRefused

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

ReadNode = Callable[[int, int], bytes]
"""(level, index) -> the hash of that whole subtree."""

# Begun once and copied: OpenSSL takes longer to begin a hash than to hash an entry.
_LEAF: Final = sha256(b"\x00")
_NODE: Final = sha256(b"\x01")


def hash_leaf(entry: bytes) -> bytes:
    """Section 2.1.1: leaves and nodes are hashed apart, so that neither can pass for the other."""
    leaf = _LEAF.copy()
    leaf.update(entry)
    return leaf.digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    node = _NODE.copy()
    node.update(left + right)
    return node.digest()


def add_leaf(peaks: list[bytes], size: int, leaf_hash: bytes) -> bytes:
    """Grows the tree of `size` leaves with these `peaks` (largest first) in place.

    Returns the hashes of the subtrees that this leaf completes, the leaf's own first, concatenated.
    """
    completed = node = leaf_hash
    while size & 1:
        node = hash_children(peaks.pop(), node)
        completed += node
        size >>= 1
    peaks.append(node)
    return completed


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = hash_children(peak, root)
    return root


def list_peaks(start: int, end: int) -> list[tuple[int, int]]:
    """The whole subtrees, largest first, that make up these leaves; `start` is a multiple of their size."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append((level, start >> level))
        start += 1 << level
    return peaks


def hash_range(read_node: ReadNode, start: int, end: int) -> bytes:
    """The tree hash over the leaves from `start` to before `end`, where both are borders of a proof."""
    return root_of_peaks([read_node(level, index) for level, index in list_peaks(start, end)])


def prove_inclusion(read_node: ReadNode, index: int, size: int) -> tuple[bytes, ...]:
    """Section 2.1.3.1: the siblings from the leaf up to the root."""
    if not 0 <= index < size:
        raise ValueError("index outside the tree")
    siblings = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append(hash_range(read_node, middle, end))
            end = middle
        else:
            siblings.append(hash_range(read_node, start, middle))
            start = middle
    return tuple(reversed(siblings))


def prove_consistency(read_node: ReadNode, old_size: int, size: int) -> tuple[bytes, ...]:
    """Section 2.1.4.1: that the tree of `size` leaves begins with the tree of `old_size` leaves."""
    if not 0 <= old_size <= size:
        raise ValueError("the older tree is larger")
    if old_size in (0, size):
        return ()
    siblings = []
    start, end = 0, size
    is_left_edge = True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            siblings.append(hash_range(read_node, middle, end))
            end = middle
        else:
            siblings.append(hash_range(read_node, start, middle))
            start = middle
            is_left_edge = False
    if not is_left_edge:
        siblings.append(hash_range(read_node, start, end))
    return tuple(reversed(siblings))


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Section 2.1.3.2. Returns when the leaf is in the tree with this root, refuses otherwise."""
    if not 0 <= index < size:
        raise _refuse(f"entry {index} is outside a tree of {size} entries")
    node, last, hashed = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_BYTES:
            raise _refuse("the proof has the wrong length")
        if node & 1 or node == last:
            hashed = hash_children(sibling, hashed)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            hashed = hash_children(hashed, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise _refuse("the proof has the wrong length")
    if hashed != root:
        raise _refuse(f"entry {index} is not the one that was recorded there")


def verify_consistency(old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Section 2.1.4.2. Returns when the newer tree begins with the older one, refuses otherwise."""
    if not 0 <= old_size <= size:
        raise _refuse(f"the older checkpoint has {old_size} entries, the newer only {size}")
    if any(len(sibling) != HASH_BYTES for sibling in proof):
        raise _refuse("the proof has the wrong length")
    if old_size in (0, size):
        if proof:
            raise _refuse("the proof has the wrong length")
        if old_root != (EMPTY_ROOT if old_size == 0 else root) or (size == 0 and root != EMPTY_ROOT):
            raise _refuse("two trees of the same size have different roots")
        return
    # A whole older tree is itself the first node of the path.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise _refuse("the proof has the wrong length")
    node, last = old_size - 1, size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old_hashed = hashed = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise _refuse("the proof has the wrong length")
        if node & 1 or node == last:
            old_hashed = hash_children(sibling, old_hashed)
            hashed = hash_children(sibling, hashed)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            hashed = hash_children(hashed, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise _refuse("the proof has the wrong length")
    if old_hashed != old_root or hashed != root:
        raise _refuse(f"the tree of {size} entries does not begin with the tree of {old_size}")


def _split(leaves: int) -> int:
    """The largest power of two below `leaves`."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _refuse(message: str) -> RecordRefused:
    return RecordRefused(RECORD_BAD_PROOF, message)
