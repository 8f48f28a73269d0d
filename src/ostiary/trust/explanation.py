"""What a policy says of a model, and why: every condition with its outcome and what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ostiary.core.values import dataclass
from ostiary.errors import HOUSE_INTERNAL, TRUST_NOT_PINNED, Code, TrustRefused
from ostiary.trust.decision import Decision, Level, Objection
from ostiary.trust.evidence import Vouching
from ostiary.trust.revocation import NOTHING_REVOKED, Revocations
from ostiary.trust.version import Version

NO_RULE: Final = "default"
"""What decides where no rule speaks for a model: everything is refused."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The newest version of a model that was let in here, and its content."""

    version: Version | None
    root: str
    is_pinned: bool = False
    """Whether somebody said so, rather than it being let in first."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision depends on beside the policy and the evidence."""

    now: datetime
    asked_id: str | None = None
    """The id that the operator asked for; None: any that the policy has a rule for."""
    memory: Mapping[str, Remembered] = field(default_factory=lambda: MappingProxyType({}))
    revocations: Revocations = NOTHING_REVOKED
    """Those from elsewhere; the policy's own count anyway."""


class Topic(StrEnum):
    """What a condition is about, in the order in which they are told."""

    REVOKED = "revoked"
    MODEL = "model"
    SIGNERS = "signers"
    VERSION = "version"
    MEMORY = "memory"
    SOURCE = "source"
    FORMATS = "formats"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that was asked for. Where it fails, `code` says how and `remedy` what would help."""

    topic: Topic
    asked: str
    found: str
    code: Code | None = None
    remedy: str = ""
    is_final: bool = False
    """Whether it refuses at every level: what was revoked by name is not let in to be watched."""

    @property
    def holds(self) -> bool:
        return self.code is None

    @property
    def sentence(self) -> str:
        return f"asked for is {self.asked}; found: {self.found}"


class Verdict(StrEnum):
    """From the best to the worst."""

    ALLOWED = "allowed"
    WARNED = "warned"
    AUDITED = "audited"
    REFUSED = "refused"

    @property
    def rank(self) -> int:
        return _VERDICTS.index(self)


_VERDICTS: Final = tuple(Verdict)
_VERDICT_OF: Final = {Level.ENFORCE: Verdict.REFUSED, Level.WARN: Verdict.WARNED, Level.AUDIT: Verdict.AUDITED}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer, a yes or a no, and why."""

    model_id: str | None
    version: Version | None
    rule: str
    """The pattern of the rule that decided, or `default`."""
    level: Level
    conditions: tuple[Condition, ...]
    counted: tuple[Vouching, ...] = ()
    """The signatures that the rule needed, the longest lasting ones where there are more."""
    policy_sha256: str | None = None

    @property
    def failing(self) -> tuple[Condition, ...]:
        return tuple(condition for condition in self.conditions if not condition.holds)

    @property
    def verdict(self) -> Verdict:
        if not self.failing:
            return Verdict.ALLOWED
        return Verdict.REFUSED if any(c.is_final for c in self.failing) else _VERDICT_OF[self.level]

    @property
    def is_yes(self) -> bool:
        return self.verdict is not Verdict.REFUSED

    @property
    def may_be_remembered(self) -> bool:
        """Whether it holds without any leniency: what was only watched says nothing about the newest version."""
        return self.verdict is Verdict.ALLOWED and self.model_id is not None

    @property
    def is_only_unpinned(self) -> bool:
        """Whether somebody's word would be enough: asking makes sense only then."""
        return [condition.code for condition in self.failing] == [TRUST_NOT_PINNED]

    @property
    def needs_only_a_word(self) -> bool:
        """Whether everything holds but what is remembered, which a pin can change."""
        return self.model_id is not None and all(condition.topic is Topic.MEMORY for condition in self.failing)

    def decision(self) -> Decision:
        """The yes that the ticket is printed from, or the refusal."""
        if not self.is_yes:
            raise self._refusal()
        objections = tuple(Objection(c.code.name, c.sentence) for c in self.failing if c.code is not None)
        return Decision(self.rule, self.counted, self.level, objections, self.policy_sha256)

    def _refusal(self) -> TrustRefused:
        worst = next((c for c in self.failing if c.is_final), self.failing[0])
        others = len(self.failing) - 1
        more = f" (and {others} more)" if others else ""
        code = HOUSE_INTERNAL if worst.code is None else worst.code
        where = "" if self.rule == NO_RULE else f"rule {self.rule!r}: "
        return TrustRefused(code, f"{where}{worst.sentence}{more}", hint=worst.remedy or None, rule=self.rule)
