"""What a contract.json must not be. Those of functions have some rules more, in graph/rules.py."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_INCONSISTENT, INTAKE_MALFORMED

_PAGE: Final = "docs/contract.md says what each field means; `ostiary contract init` writes one that fits."

CONTRACT_FORMAT: Final = Rule(
    "contract.format",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json of another format",
    "A contract that is not understood wholly could forbid what is then let through.",
    _PAGE,
)
CONTRACT_VERSION_UNKNOWN: Final = Rule(
    "contract.unknown-version",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json of a version that is not known",
    "A rule on inputs that is not understood here would not be kept.",
    "Use a release of Ostiary that knows the version, or make the contract again.",
)
CONTRACT_PLATFORM: Final = Rule(
    "contract.platform",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json for a platform that is not known",
    "Its fields mean something else than what would be enforced.",
    _PAGE,
)
CONTRACT_UNKNOWN_FIELD: Final = Rule(
    "contract.unknown-field",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json with a field that is not known",
    "Somebody relies on a bound that nobody would hold.",
    _PAGE,
)
CONTRACT_MISSING_FIELD: Final = Rule(
    "contract.missing-field",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json without a field that it must have",
    "What is left out would be guessed, by each program in its own way.",
    _PAGE,
)
CONTRACT_WRONG_TYPE: Final = Rule(
    "contract.wrong-type",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json with a field of the wrong type or form",
    "Programs could read another bound from it than the one that was meant.",
    _PAGE,
)
CONTRACT_BEYOND_HOUSE: Final = Rule(
    "contract.beyond-house",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json with a bound beyond the house's own",
    "A contract can only narrow what is let through; a wider bound would be a promise that is not kept.",
    _PAGE,
)
CONTRACT_CONTRADICTION: Final = Rule(
    "contract.contradiction",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "contract.json whose fields contradict one another",
    "No request, or no answer, could ever fit it.",
    _PAGE,
)
CONTRACT_OTHER_MODEL: Final = Rule(
    "contract.other-model",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "contract.json of another model",
    "It promises a vocabulary or a context that this model does not have; its other bounds were made for that.",
    _PAGE,
)
CONTRACT_UNUSED: Final = Rule(
    "contract.unused",
    Severity.LOW,
    None,
    "contract.json that nobody reads",
    "Only the one beside the model's own configuration counts; somebody may rely on this one.",
)

RULES: Final = (
    CONTRACT_FORMAT,
    CONTRACT_VERSION_UNKNOWN,
    CONTRACT_PLATFORM,
    CONTRACT_UNKNOWN_FIELD,
    CONTRACT_MISSING_FIELD,
    CONTRACT_WRONG_TYPE,
    CONTRACT_BEYOND_HOUSE,
    CONTRACT_CONTRADICTION,
    CONTRACT_OTHER_MODEL,
    CONTRACT_UNUSED,
)
