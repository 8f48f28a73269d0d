"""Comes to a verdict on a manifest and tells the record: exactly one event, verified or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import Manifest, VerifiedModel
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused, TrustRefused
from ostiary.record.events import Content, Emit, ModelRefused, ModelVerified, UnsafeUsed
from ostiary.trust.check_files import FileSet
from ostiary.trust.contradict import find_contradiction
from ostiary.trust.decision import Decision, print_ticket
from ostiary.trust.evidence import Evidence
from ostiary.trust.material import TrustMaterial
from ostiary.trust.verify import (
    NO_ALLOWANCES,
    Claim,
    SignatureFile,
    UnsafeAllowances,
    read_claim,
    verify_claimed_signature,
    verify_manifest,
)

Decide = Callable[[Evidence], Decision]
"""Step 7. Raises TrustRefused for a no."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A yes, with what it rests on."""

    ticket: VerifiedModel
    evidence: Evidence
    decision: Decision
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a verdict depends on, beside the manifest."""

    signatures: Sequence[SignatureFile]
    material: TrustMaterial
    decide: Decide
    now: datetime
    source: str = ""
    allowances: UnsafeAllowances = NO_ALLOWANCES
    needs_vouching: bool = True
    """False where `decide` itself refuses what nobody vouches for."""


def plan_chunks(
    signatures: Sequence[SignatureFile], material: TrustMaterial, now: datetime
) -> Mapping[str, tuple[str, ChunkTree]]:
    """Path to digest and tree of every file that all signatures state alike, one of them by a known signer.

    A file that is read by these claims fits only the statements that make them (step 5), and that step comes again.
    A signature file that cannot be read gives no plan; the verification will say why.
    """
    plans = []
    is_vouched_for = False
    for file in signatures:
        try:
            claim = read_claim(file)
        except TrustRefused:
            return {}
        plans.append({f.path: (f.sha256, f.chunks) for f in claim.statement.files if f.chunks is not None})
        is_vouched_for = is_vouched_for or (bool(plans[-1]) and _is_by_known_signer(claim, material, now))
    if not is_vouched_for:
        return {}
    first, *others = plans
    return {path: claim for path, claim in first.items() if all(plan.get(path) == claim for plan in others)}


def _is_by_known_signer(claim: Claim, material: TrustMaterial, now: datetime) -> bool:
    try:
        verify_claimed_signature(claim, material, now)
    except TrustRefused:
        return False
    return True


def judge_manifest(
    manifest: Manifest, question: Question, emit: Emit, correlation_id: str, location: Content | None
) -> Verification:
    """Steps 1 to 7; the verdict is in the record when this returns or raises."""
    for hatch, detail in _list_hatches(question.allowances):
        emit(UnsafeUsed(correlation_id=correlation_id, hatch=hatch, detail=detail))
    try:
        evidence = verify_manifest(
            manifest,
            question.signatures,
            question.material,
            question.now,
            source=question.source,
            allowances=question.allowances,
            needs_vouching=question.needs_vouching,
        )
        decision = question.decide(evidence)
    except TrustRefused as refusal:
        tell_refusal(refusal, emit, manifest.name, correlation_id, root=manifest.root, location=location)
        raise
    ticket = print_ticket(manifest, evidence, decision)
    emit(
        ModelVerified(
            correlation_id=correlation_id,
            name=quote_untrusted(manifest.name),
            root=evidence.root,
            signers=ticket.signers,
            rule=ticket.rule,
            level=decision.level,
            objections=ticket.objections,
            model_id=ticket.model_id,
            model_version=ticket.model_version,
            policy=decision.policy_sha256,
            location=location,
            deferred=sum(entry.parts is not None for entry in ticket.files) or None,
        )
    )
    return Verification(ticket, evidence, decision, correlation_id)


def judge_refused(
    files: FileSet,
    refusal: IntakeRefused,
    question: Question,
    emit: Emit,
    correlation_id: str,
    *,
    root: str | None,
    location: Content | None,
) -> None:
    """Of a model that intake refused: where a believed signature is over other files, that is the answer.

    Then it is in the record and raised, with intake's refusal as its cause. Else this returns, and intake's stands.
    """
    said = find_contradiction(
        files,
        refusal,
        question.signatures,
        material=question.material,
        now=question.now,
        allowances=question.allowances,
    )
    if said is not None:
        tell_refusal(said, emit, files.name, correlation_id, root=root, location=location)
        raise said from refusal


def tell_refusal(
    refusal: TrustRefused,
    emit: Emit,
    name: str,
    correlation_id: str,
    *,
    root: str | None = None,
    location: Content | None = None,
) -> None:
    """The refusal is in the record when this returns, and knows what joins it to there."""
    refusal.correlation_id = correlation_id
    emit(
        ModelRefused(
            correlation_id=correlation_id,
            name=quote_untrusted(name),
            root=root,
            code=refusal.code,
            rule=refusal.rule,
            path=quote_untrusted(refusal.path) or None,
            findings=Counter(finding.rule.id for finding in refusal.findings),
            location=location,
        )
    )


def _list_hatches(allowances: UnsafeAllowances) -> list[tuple[str, str]]:
    hatches = [("--unsafe-ignore", quote_untrusted(path)) for path in sorted(allowances.left_out)]
    if allowances.leave_out_unsigned:
        hatches.append(("--unsafe-ignore-unsigned", ""))
    if allowances.legacy:
        hatches.append(("--unsafe-legacy", ""))
    if allowances.unsigned:
        hatches.append(("--unsafe-unsigned", ""))
    return hatches
