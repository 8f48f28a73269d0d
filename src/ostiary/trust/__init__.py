"""Decides who vouches for a manifest, and signs one.

In: Manifest and its evidence
Out: VerifiedModel
Trusts: the pinned policy, the keys it names, the injected clock
Refuses: TrustRefused
Emits: model.refused, model.remembered, model.signed, model.verified, repository.remembered, unsafe.used
"""
