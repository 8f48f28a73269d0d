"""The doorkeeper for MLX models.

Importing this imports neither MLX nor any room: each name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ostiary._version import __version__

if TYPE_CHECKING:
    from ostiary.core.findings import Finding, Rule, Severity
    from ostiary.core.tickets import Manifest
    from ostiary.errors import Fault, IntakeRefused, Misuse, OstiaryError, Refusal
    from ostiary.intake import examine_model, read_manifest
    from ostiary.intake.examination import Examination

__all__ = [
    "Examination",
    "Fault",
    "Finding",
    "IntakeRefused",
    "Manifest",
    "Misuse",
    "OstiaryError",
    "Refusal",
    "Rule",
    "Severity",
    "__version__",
    "examine_model",
    "read_manifest",
]

_HOME: Final = {
    "Examination": "ostiary.intake.examination",
    "Fault": "ostiary.errors",
    "Finding": "ostiary.core.findings",
    "IntakeRefused": "ostiary.errors",
    "Manifest": "ostiary.core.tickets",
    "Misuse": "ostiary.errors",
    "OstiaryError": "ostiary.errors",
    "Refusal": "ostiary.errors",
    "Rule": "ostiary.core.findings",
    "Severity": "ostiary.core.findings",
    "examine_model": "ostiary.intake",
    "read_manifest": "ostiary.intake",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ostiary' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
