"""The root digest is that of OpenSSF Model Signing: SHA-256 over raw digests in order."""

from __future__ import annotations

import hashlib

from ostiary.core.digests import compute_root


def test_the_root_is_the_digest_of_the_digests() -> None:
    a, b = hashlib.sha256(b"a"), hashlib.sha256(b"b")
    assert compute_root([a.hexdigest(), b.hexdigest()]) == hashlib.sha256(a.digest() + b.digest()).hexdigest()
    assert compute_root([b.hexdigest(), a.hexdigest()]) != compute_root([a.hexdigest(), b.hexdigest()])
