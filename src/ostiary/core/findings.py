"""What was found in a model: a rule (stable, documented) and where it struck."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import Code, IntakeRefused


class Severity(StrEnum):
    """How much harm a finding could do if the model were loaded anyway."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return _ORDER.index(self)


_ORDER: Final = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for. With a code, a hit refuses the model; without one, it is only told."""

    id: str
    severity: Severity
    code: Code | None
    title: str
    harm: str
    """One sentence: what it could do."""
    hint: str | None = None
    """What a person can do, where the code's own hint does not fit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that struck. `path` is relative to the model; "" until a room above knows it."""

    rule: Rule
    detail: str
    """One clause on this very case; text from the model in it goes through `quote_untrusted`."""
    path: str = ""
    offset: int | None = None

    @property
    def is_refusing(self) -> bool:
        return self.rule.code is not None

    @property
    def sentence(self) -> str:
        where = quote_untrusted(self.path) if self.path else "the model"
        at = "" if self.offset is None else f" at byte {self.offset}"
        return f"{where}{at}: {self.detail}"


def refuse(rule: Rule, detail: str, *, path: str = "", offset: int | None = None) -> IntakeRefused:
    """The refusal that a refusing rule gives: `raise refuse(RULE, "what exactly")`."""
    return refusal_of(Finding(rule, detail, path, offset))


def refusal_of(finding: Finding, *others: Finding) -> IntakeRefused:
    """The refusal for a model whose worst finding is `finding`; `others` travel along."""
    if finding.rule.code is None:
        raise ValueError(f"rule {finding.rule.id} does not refuse")
    hint = finding.rule.hint
    return IntakeRefused(finding.rule.code, finding.sentence, hint=hint, findings=(finding, *others))
