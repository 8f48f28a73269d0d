"""Puts the bytes of a verified model where nobody can change them any more.

In: VerifiedModel and the directory it lies in
Out: SealedModel
Trusts: the kernel, to keep seals, leases and clones
Refuses: VaultRefused
Emits: model.failed, model.refused, model.sealed
"""

from __future__ import annotations

from ostiary.vault.choose import ALL_METHODS
from ostiary.vault.open_sealed import open_sealed

__all__ = ["ALL_METHODS", "open_sealed"]
