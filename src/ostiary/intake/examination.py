"""What reading a model brought to light, whatever the verdict: the value that `ostiary inspect` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field

from ostiary.core.digests import compute_root
from ostiary.core.findings import Finding, refusal_of
from ostiary.core.limits import MAX_FINDINGS
from ostiary.core.signature_files import EVIDENCE_FILES
from ostiary.core.tickets import FileEntry, Manifest, ModelFacts
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused


@dataclass(frozen=True, slots=True)
class Examination:
    """Files in code-point order; findings worst first. Not a ticket: only `to_manifest` gives one."""

    name: str
    is_single_file: bool
    files: tuple[FileEntry, ...]
    is_wholly_read: bool
    """Whether every entry of the tree was read and parsed, so that the root digest speaks for all of it."""
    facts: ModelFacts | None
    findings: tuple[Finding, ...]
    leaves: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """Of the chunk trees, where they were asked for."""

    @property
    def signable_files(self) -> tuple[FileEntry, ...]:
        """What the root speaks for: everything but the signatures over it."""
        if self.is_single_file:
            return self.files
        return tuple(entry for entry in self.files if entry.path not in EVIDENCE_FILES)

    @property
    def root(self) -> str | None:
        files = self.signable_files
        return compute_root(entry.sha256 for entry in files) if self.is_wholly_read and files else None

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.files)

    @property
    def refusal(self) -> IntakeRefused | None:
        """The answer no, with every finding; None where nothing refuses."""
        worst = next((finding for finding in self.findings if finding.is_refusing), None)
        if worst is None:
            return None
        return refusal_of(worst, *(finding for finding in self.findings if finding is not worst))

    def count_rules(self) -> Mapping[str, int]:
        """Rule id to how often it struck."""
        return Counter(finding.rule.id for finding in self.findings)

    def to_manifest(self) -> Manifest:
        """The ticket, or the refusal."""
        refusal = self.refusal
        if refusal is not None:
            raise refusal
        root, facts = self.root, self.facts
        if root is None or facts is None:
            raise AssertionError("a model without a refusal was read wholly")  # pragma: no cover
        return Manifest(name=self.name, files=self.signable_files, root=root, facts=facts, notes=self.findings)


def order_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Refusing ones first, then by severity, place and offset; repeated ones once; cut at the ceiling."""
    return tuple(sorted(dict.fromkeys(findings), key=_order_of)[:MAX_FINDINGS])


def _order_of(finding: Finding) -> tuple[bool, int, bool, str, int]:
    # What is wrong with the tree comes before what is wrong in it: names decide which bytes are meant.
    in_file = not finding.rule.id.startswith(("tree.", "names."))
    offset = -1 if finding.offset is None else finding.offset
    return not finding.is_refusing, finding.rule.severity.rank, in_file, finding.path, offset
