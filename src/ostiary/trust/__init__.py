"""Decides who vouches for a manifest, and signs one.

In: Manifest and its evidence
Out: VerifiedModel
Trusts: the pinned policy, the keys it names, the injected clock
Refuses: TrustRefused
Emits: model.refused, model.remembered, model.signed, model.verified, unsafe.used
"""

from __future__ import annotations

from ostiary.trust.judge import Decide, Question, Verification, judge_manifest, plan_chunks
from ostiary.trust.material import TrustMaterial
from ostiary.trust.sign_model import Signable, SignRequest, sign_judged
from ostiary.trust.verify import NO_ALLOWANCES, SignatureFile, UnsafeAllowances

__all__ = [
    "NO_ALLOWANCES",
    "Decide",
    "Question",
    "SignRequest",
    "Signable",
    "SignatureFile",
    "TrustMaterial",
    "UnsafeAllowances",
    "Verification",
    "judge_manifest",
    "plan_chunks",
    "sign_judged",
]
