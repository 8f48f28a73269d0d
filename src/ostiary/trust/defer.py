"""Which digests may be left to the vault, so that whoever opens a model hashes it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ostiary.core.chunk_tree import ChunkTree
from ostiary.errors import TrustRefused
from ostiary.trust.evidence import SignedFile
from ostiary.trust.material import TrustMaterial
from ostiary.trust.verify import Claim, SignatureFile, read_claim, verify_claimed_signature


def plan_deferred(
    signatures: Sequence[SignatureFile], material: TrustMaterial, now: datetime, *, by_chunks: bool
) -> Mapping[str, tuple[str, ChunkTree | None]]:
    """Path to digest, and tree if also that, of every file that all signatures state alike, one by a known signer.

    Who the signer is decides nothing yet: whoever is counted in the end states this digest, and the vault compares
    the bytes with it. A signature file that cannot be read gives no plan; the verification will say why.
    """
    try:
        claims = [read_claim(file) for file in signatures]
    except TrustRefused:
        return {}
    if not any(_is_by_known_signer(claim, material, now) for claim in claims):
        return {}
    first, *others = ({file.path: file for file in claim.statement.files} for claim in claims)
    plan = {}
    for path, file in first.items():
        alike = [other.get(path) for other in others]
        if all(said is not None and said.sha256 == file.sha256 for said in alike):
            plan[path] = (file.sha256, file.chunks if by_chunks and _is_same_tree(file, alike) else None)
    return plan


def _is_same_tree(file: SignedFile, alike: Sequence[SignedFile | None]) -> bool:
    return all(said is not None and said.chunks == file.chunks for said in alike)


def _is_by_known_signer(claim: Claim, material: TrustMaterial, now: datetime) -> bool:
    try:
        verify_claimed_signature(claim, material, now)
    except TrustRefused:
        return False
    return True
