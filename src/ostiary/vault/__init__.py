"""Puts the bytes of a verified model where nobody can change them any more.

In: VerifiedModel and the directory it lies in
Out: SealedModel
Trusts: the kernel, to keep seals, leases and clones
Refuses: VaultRefused
Emits: model.refused, model.sealed
"""
