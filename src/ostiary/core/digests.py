"""Digests over digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def compute_root(sha256_hex_digests: Iterable[str]) -> str:
    """SHA-256 over the raw digests in the given order (OpenSSF Model Signing v1.0, "files" method)."""
    root = hashlib.sha256()
    for digest in sha256_hex_digests:
        root.update(bytes.fromhex(digest))
    return root.hexdigest()
