"""Which files of a model directory are signatures over the others. They are evidence, never part of it."""

from __future__ import annotations

from typing import Final

from ostiary.core.limits import MAX_SIGNATURE_FILES

SIGNATURE_FILE: Final = "model.sig"
SIGNATURE_FILES: Final = (SIGNATURE_FILE, *(f"model.{n}.sig" for n in range(2, MAX_SIGNATURE_FILES + 1)))
"""Every name that a signature may have, in the order in which they are given out: one file per signer.

Exact names at the top of the directory and nothing else, so that no other file can hide among them.
"""
CHUNKS_FILE: Final = "model.chunks.json"
"""The leaves of the chunk trees; worth something only together with a signed root."""

EVIDENCE_FILES: Final = frozenset((*SIGNATURE_FILES, CHUNKS_FILE))


def name_beside(name: str) -> str:
    """The signature of a model that is one file lies beside it under this name."""
    return f"{name}.sig"
