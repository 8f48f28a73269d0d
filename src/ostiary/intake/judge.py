"""Comes to a verdict on a model and tells the record: exactly one event, inspected, refused or failed.

Reading and telling are two steps, because a room after this one may know a better reason for the same no.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection

from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileKind, Manifest
from ostiary.core.values import dataclass
from ostiary.errors import HOUSE_INTERNAL, IntakeRefused, Misuse, OstiaryError
from ostiary.intake.examination import Examination
from ostiary.intake.examine import examine_model
from ostiary.intake.hashing import PLAIN, HashPlan
from ostiary.record.events import Content, Emit, ModelFailed, ModelInspected, ModelRefused


@dataclass(frozen=True, slots=True)
class Judgement:
    """An examination and what joins it to the record."""

    examination: Examination
    correlation_id: str
    location: Content | None = None

    @property
    def refusal(self) -> IntakeRefused | None:
        refusal = self.examination.refusal
        if refusal is not None:
            refusal.correlation_id = self.correlation_id
        return refusal

    def to_manifest(self) -> Manifest:
        """The ticket, or the refusal."""
        if (refusal := self.refusal) is not None:
            raise refusal
        return self.examination.to_manifest()


def judge_model(
    path: str | os.PathLike[str],
    emit: Emit,
    *,
    allowed_formats: Collection[FileKind] = (),
    hashing: HashPlan = PLAIN,
    record_location: bool = False,
    start: Callable[[int], None] = lambda _total_bytes: None,
    advance: Callable[[int], None] = lambda _bytes: None,
) -> Judgement:
    """Read and judge the model at `path`; the verdict is in the record when this returns.

    With `record_location`, so is where the model lay, as a salted hash.
    """
    judgement = read_model(
        path,
        emit,
        allowed_formats=allowed_formats,
        hashing=hashing,
        record_location=record_location,
        start=start,
        advance=advance,
    )
    tell_verdict(judgement, emit)
    return judgement


def read_model(
    path: str | os.PathLike[str],
    emit: Emit,
    *,
    allowed_formats: Collection[FileKind] = (),
    hashing: HashPlan = PLAIN,
    record_location: bool = False,
    start: Callable[[int], None] = lambda _total_bytes: None,
    advance: Callable[[int], None] = lambda _bytes: None,
) -> Judgement:
    """Read and judge the model at `path`. Only a failure is in the record yet: `tell_verdict` tells the rest."""
    correlation_id = secrets.token_hex(8)
    location = Content(os.fsencode(os.path.abspath(path))) if record_location else None  # noqa: PTH100
    name = name_of(path)
    try:
        examination = examine_model(
            path, allowed_formats=allowed_formats, hashing=hashing, start=start, advance=advance
        )
    except Misuse:  # nothing was there to be decided upon
        raise
    except Exception as error:
        code = error.code if isinstance(error, OstiaryError) else HOUSE_INTERNAL.name
        emit(ModelFailed(correlation_id=correlation_id, name=name, code=code, location=location))
        raise
    return Judgement(examination, correlation_id, location)


def tell_verdict(judgement: Judgement, emit: Emit) -> None:
    """The verdict is in the record when this returns."""
    emit(_verdict_of(judgement.examination, judgement.correlation_id, judgement.location))


def name_of(path: str | os.PathLike[str]) -> str:
    """What a model is called in the record: the last part of its path, never more of it."""
    return quote_untrusted(os.path.basename(os.path.abspath(path)) or "/")  # noqa: PTH100, PTH119


def _verdict_of(
    examination: Examination, correlation_id: str, location: Content | None
) -> ModelInspected | ModelRefused:
    refusal = examination.refusal
    if refusal is not None:
        worst = refusal.findings[0]
        return ModelRefused(
            correlation_id=correlation_id,
            name=examination.name,
            root=examination.root,
            code=refusal.code,
            rule=worst.rule.id,
            path=quote_untrusted(worst.path) or None,
            findings=Counter(examination.count_rules()) - Counter({worst.rule.id: 1}),
            location=location,
        )
    manifest = examination.to_manifest()
    return ModelInspected(
        correlation_id=correlation_id,
        name=manifest.name,
        root=manifest.root,
        files=len(manifest.files),
        bytes=manifest.bytes,
        format=manifest.facts.format,
        architecture=manifest.facts.architecture,
        findings=examination.count_rules(),
        location=location,
        deferred=sum(entry.parts is not None for entry in manifest.files) or None,
    )
