"""A model's way through the house, top to bottom: directory -> intake -> trust. Later rooms follow here."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass
from ostiary.intake import (
    ClaimedFile,
    HashPlan,
    Judgement,
    judge_model,
    read_detached_signature,
    read_signature_files,
)
from ostiary.record.events import Content, Emit

if TYPE_CHECKING:  # the trust room is loaded by those who walk into it
    from ostiary.trust.judge import Decide, Verification
    from ostiary.trust.material import TrustMaterial
    from ostiary.trust.sign_model import SignRequest
    from ostiary.trust.verify import UnsafeAllowances


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


def verify_model(
    path: str | os.PathLike[str],
    emit: Emit,
    request: VerifyRequest,
    *,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> Verification:
    """Directory -> intake -> trust. Raises the first room's refusal; its verdict is in the record then, too."""
    from ostiary.trust.judge import Question, judge_manifest, plan_chunks  # noqa: PLC0415
    from ostiary.trust.verify import NO_ALLOWANCES, SignatureFile  # noqa: PLC0415

    found = [read_detached_signature(file) for file in request.signatures] or read_signature_files(path)
    signatures = [SignatureFile(name, data) for name, data in found]
    trees = plan_chunks(signatures, request.material, request.now) if request.by_chunks else {}
    claimed = {file: ClaimedFile(sha256, tree) for file, (sha256, tree) in trees.items()}
    judgement = judge_model(
        path,
        emit,
        hashing=HashPlan(claimed),
        record_location=request.record_location,
        start=start,
        advance=advance,
    )
    refusal = judgement.examination.refusal
    if refusal is not None:
        refusal.correlation_id = judgement.correlation_id
        raise refusal
    question = Question(
        signatures,
        request.material,
        request.decide,
        request.now,
        request.source,
        request.allowances or NO_ALLOWANCES,
        request.needs_vouching,
    )
    manifest = judgement.examination.to_manifest()
    location = locate(path) if request.record_location else None
    return judge_manifest(manifest, question, emit, judgement.correlation_id, location)


def sign_model(
    path: str | os.PathLike[str],
    emit: Emit,
    request: SignRequest,
    *,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> Path:
    """Directory -> intake -> signature file beside what it signs. Only what intake accepts is signed."""
    from ostiary.trust.sign_model import Signable, sign_judged  # noqa: PLC0415
    from ostiary.trust.verify import SignatureFile  # noqa: PLC0415

    hashing = HashPlan(tree_from_bytes=request.tree_from_bytes)
    judgement = judge_model(path, emit, hashing=hashing, start=start, advance=advance)
    refusal = judgement.examination.refusal
    if refusal is not None:
        refusal.correlation_id = judgement.correlation_id
        raise refusal
    examination = judgement.examination
    signable = Signable(
        manifest=examination.to_manifest(),
        place=Path(path),
        is_single_file=examination.is_single_file,
        leaves=examination.leaves,
        existing=[SignatureFile(name, data) for name, data in read_signature_files(path)],
    )
    return sign_judged(signable, request, emit, judgement.correlation_id)


def locate(path: str | os.PathLike[str]) -> Content:
    """Where a model lay, for the record, which keeps a salted hash of it only."""
    return Content(os.fsencode(os.path.abspath(path)))  # noqa: PTH100  no link is resolved
