"""A model's way through the house, top to bottom: directory -> intake -> trust. Later rooms follow here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass
from ostiary.intake import (
    ClaimedFile,
    DeferredFile,
    HashPlan,
    Judgement,
    judge_model,
    name_of,
    read_detached_signature,
    read_model,
    read_signature_files,
    tell_verdict,
)
from ostiary.record.events import Emit
from ostiary.walks.ending import Ending

if TYPE_CHECKING:  # the trust room is loaded by those who walk into it
    from ostiary.errors import TrustRefused
    from ostiary.trust.judge import Decide, Verification
    from ostiary.trust.material import TrustMaterial
    from ostiary.trust.sign_model import Signed, SignRequest
    from ostiary.trust.verify import SignatureFile, UnsafeAllowances


def inspect_model(
    path: str | os.PathLike[str],
    emit: Emit,
    *,
    allowed_formats: Collection[FileKind],
    record_location: bool,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> Judgement:
    """Read and judge the model at `path`; its verdict is in the record when this returns."""
    return judge_model(
        path,
        emit,
        allowed_formats=allowed_formats,
        record_location=record_location,
        start=start,
        advance=advance,
    )


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What an operator wants to know of a model, and whom he believes."""

    material: TrustMaterial
    decide: Decide
    now: datetime
    source: str
    signatures: Sequence[Path] = ()
    """Signature files elsewhere; none for those of the model itself."""
    allowances: UnsafeAllowances | None = None
    by_chunks: bool = True
    record_location: bool = False
    needs_vouching: bool = True
    """False where `decide` itself refuses what nobody vouches for, as a policy does."""
    defers_weights: bool = False
    """Leave the digests of weights to the vault. Only for who seals what was verified, and uses nothing else."""


def verify_model(
    path: str | os.PathLike[str],
    emit: Emit,
    request: VerifyRequest,
    *,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> Verification:
    """Directory -> intake -> trust. Raises the first room's refusal; its verdict is in the record then, too.

    What intake refuses is refused. Where a believed signature says that these are not the signed files, that is the
    reason given, before intake's own.
    """
    from ostiary.trust.check_files import FileSet  # noqa: PLC0415
    from ostiary.trust.judge import Question, judge_manifest, judge_refused, plan_chunks  # noqa: PLC0415
    from ostiary.trust.verify import NO_ALLOWANCES, SignatureFile  # noqa: PLC0415

    with Ending(path, emit, record_location=request.record_location) as ending:
        found = [read_detached_signature(file) for file in request.signatures] or read_signature_files(path)
        signatures = [SignatureFile(name, data) for name, data in found]
        trees = plan_chunks(signatures, request.material, request.now) if request.by_chunks else {}
        claimed = {file: ClaimedFile(sha256, tree) for file, (sha256, tree) in trees.items()}
        deferred = _plan_deferred(request, signatures)
        judgement = read_model(
            path,
            ending.emit,
            hashing=HashPlan(claimed, deferred=deferred),
            record_location=request.record_location,
            start=start,
            advance=advance,
        )
        if deferred and judgement.refusal is not None:  # why, every byte may have a part in
            judgement = read_model(
                path,
                ending.emit,
                hashing=HashPlan(claimed),
                record_location=request.record_location,
            )
        question = Question(
            signatures,
            request.material,
            request.decide,
            request.now,
            request.source,
            request.allowances or NO_ALLOWANCES,
            request.needs_vouching,
        )
        correlation_id, location = judgement.correlation_id, judgement.location
        if judgement.refusal is not None:
            seen = judgement.examination
            files = FileSet(seen.name, seen.signable_files, seen.is_wholly_read)
            judge_refused(
                files, judgement.refusal, question, ending.emit, correlation_id, root=seen.root, location=location
            )
        tell_verdict(judgement, ending.emit)
        return judge_manifest(judgement.to_manifest(), question, ending.emit, correlation_id, location)


def _plan_deferred(request: VerifyRequest, signatures: Sequence[SignatureFile]) -> Mapping[str, DeferredFile]:
    from ostiary.trust.defer import plan_deferred  # noqa: PLC0415

    if not request.defers_weights:
        return {}
    claims = plan_deferred(signatures, request.material, request.now, by_chunks=request.by_chunks)
    return {file: DeferredFile(sha256, tree) for file, (sha256, tree) in claims.items()}


def refuse_unread(path: str | os.PathLike[str], emit: Emit, refusal: TrustRefused) -> None:
    """Of a model that nobody looked at, because whom to believe could not be told: the refusal is in the record."""
    from ostiary.trust.judge import tell_refusal  # noqa: PLC0415

    tell_refusal(refusal, emit, name_of(path), secrets.token_hex(8))


def sign_model(
    path: str | os.PathLike[str],
    emit: Emit,
    request: SignRequest,
    *,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> Signed:
    """Directory -> intake -> signature file beside what it signs. Only what intake accepts is signed."""
    from ostiary.trust.sign_model import Signable, sign_judged  # noqa: PLC0415
    from ostiary.trust.verify import SignatureFile  # noqa: PLC0415

    hashing = HashPlan(tree_from_bytes=request.tree_from_bytes)
    judgement = judge_model(path, emit, hashing=hashing, start=start, advance=advance)
    manifest, examination = judgement.to_manifest(), judgement.examination
    signable = Signable(
        manifest=manifest,
        place=Path(path),
        is_single_file=examination.is_single_file,
        leaves=examination.leaves,
        existing=[SignatureFile(name, data) for name, data in read_signature_files(path)],
    )
    return sign_judged(signable, request, emit, judgement.correlation_id)
