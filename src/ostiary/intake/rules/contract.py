"""The rules of contract.json's readers, under the name that intake lists its rules by."""

from __future__ import annotations

from ostiary.core.terms.rules import (
    CONTRACT_BEYOND_HOUSE,
    CONTRACT_CONTRADICTION,
    CONTRACT_FORMAT,
    CONTRACT_MISSING_FIELD,
    CONTRACT_OTHER_MODEL,
    CONTRACT_PLATFORM,
    CONTRACT_UNKNOWN_FIELD,
    CONTRACT_UNUSED,
    CONTRACT_WRONG_TYPE,
    RULES,
)

__all__ = [
    "CONTRACT_BEYOND_HOUSE",
    "CONTRACT_CONTRADICTION",
    "CONTRACT_FORMAT",
    "CONTRACT_MISSING_FIELD",
    "CONTRACT_OTHER_MODEL",
    "CONTRACT_PLATFORM",
    "CONTRACT_UNKNOWN_FIELD",
    "CONTRACT_UNUSED",
    "CONTRACT_WRONG_TYPE",
    "RULES",
]
