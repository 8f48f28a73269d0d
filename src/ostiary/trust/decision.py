"""The answer yes, with everything that led to it. The answer no is a `TrustRefused`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from ostiary.core.tickets import Manifest, VerifiedModel
from ostiary.core.values import dataclass
from ostiary.trust.evidence import Evidence, Vouching


class Level(StrEnum):
    """What a no is worth: a refusal, a warning, or a line in the record."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Objection:
    """What an enforcing policy would have refused with."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Step 7 came to a yes. `counted` are the signatures that the rule needed, the others are left out."""

    rule: str
    counted: tuple[Vouching, ...]
    level: Level = Level.ENFORCE
    objections: tuple[Objection, ...] = ()
    policy_sha256: str | None = None

    @property
    def model_id(self) -> str | None:
        """The same in every counted statement that has one."""
        return next((v.statement.model_id for v in self.counted if v.statement.model_id), None)

    @property
    def model_version(self) -> str | None:
        return next((v.statement.model_version for v in self.counted if v.statement.model_version), None)

    @property
    def expires_at(self) -> datetime | None:
        return min((v.statement.expires_at for v in self.counted if v.statement.expires_at), default=None)


def print_ticket(manifest: Manifest, evidence: Evidence, decision: Decision) -> VerifiedModel:
    """The ticket for this manifest. The evidence must be of the same files."""
    if manifest.root != evidence.root and not evidence.left_out:
        raise AssertionError("evidence of other files")  # pragma: no cover
    return VerifiedModel(
        manifest=manifest,
        model_id=decision.model_id,
        model_version=decision.model_version,
        expires_at=decision.expires_at,
        signers=tuple(vouching.signer.name for vouching in decision.counted),
        rule=decision.rule,
        left_out=evidence.left_out,
        is_enforced=decision.level is Level.ENFORCE,
        objections=tuple(objection.code for objection in decision.objections),
    )
