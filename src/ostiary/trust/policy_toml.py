"""What the TOML files of this room have in common: policies and lists of revocations."""

from __future__ import annotations

from typing import Final

from ostiary.core.limits import MAX_POLICY_BYTES, MAX_POLICY_TEXT_CHARACTERS
from ostiary.core.toml_fields import TomlKind
from ostiary.errors import TRUST_MALFORMED, TRUST_TOO_LARGE, TrustRefused

POLICY: Final = TomlKind(
    page="docs/policy.md",
    correct="Correct the policy at this place.",
    max_bytes=MAX_POLICY_BYTES,
    max_text_characters=MAX_POLICY_TEXT_CHARACTERS,
    refuse=lambda message, hint: TrustRefused(TRUST_MALFORMED, message, hint=hint),
    refuse_size=lambda message, hint: TrustRefused(TRUST_TOO_LARGE, message, hint=hint),
)
