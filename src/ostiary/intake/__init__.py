"""Reads an untrusted directory or file, by descriptor and within limits, and says what in it could hurt.

In: a path that an operator named
Out: Manifest
Trusts: the operating system's word on its own files
Refuses: IntakeRefused
Emits: model.failed, model.inspected, model.refused
"""

from __future__ import annotations

from ostiary.intake.examine import examine_model, read_manifest
from ostiary.intake.hashing import ClaimedFile, DeferredFile, HashPlan
from ostiary.intake.judge import Judgement, judge_model, name_of, read_model, tell_verdict
from ostiary.intake.read_contract import read_contract, read_graph
from ostiary.intake.read_signatures import read_detached_signature, read_signature_files

__all__ = [
    "ClaimedFile",
    "DeferredFile",
    "HashPlan",
    "Judgement",
    "examine_model",
    "judge_model",
    "name_of",
    "read_contract",
    "read_detached_signature",
    "read_graph",
    "read_manifest",
    "read_model",
    "read_signature_files",
    "tell_verdict",
]
