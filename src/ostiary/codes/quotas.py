"""Codes of what tenants may use, and of the file in which it is counted."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

ADMISSION_QUOTA: Final = declare(
    "ADMISSION_QUOTA",
    "This is more than you may use now.",
    "Ask again after the seconds that Retry-After names; without it, ask for fewer tokens (max_tokens).",
    429,
)
QUOTA_UNWRITABLE: Final = declare(
    "QUOTA_UNWRITABLE",
    "What is used cannot be counted now, so nothing was done.",
    "Make room on the disk of the state directory, and let its owner write to it.",
    503,
)
QUOTA_UNUSABLE: Final = declare(
    "QUOTA_UNUSABLE",
    "The file in which usage is counted cannot be used.",
    "Give `usage.journal` in the state directory back to its owner, or restore it from a backup.",
    500,
)
