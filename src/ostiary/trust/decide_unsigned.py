"""Step 7 where an operator lets in, this once, what nobody vouches for. What was revoked stays outside."""

from __future__ import annotations

from ostiary.core.text import quote_untrusted
from ostiary.errors import TRUST_REVOKED, TRUST_UNSIGNED, TrustRefused
from ostiary.trust.decision import Decision, Level, Objection
from ostiary.trust.evidence import Evidence
from ostiary.trust.revocation import NOTHING_REVOKED, Revocations

RULE = "unsigned"


def decide_unsigned(evidence: Evidence, revocations: Revocations = NOTHING_REVOKED) -> Decision:
    """Yes, with an objection that says what is missing. Signatures by strangers change nothing."""
    entry = revocations.find_for_root(evidence.root)
    if entry is not None:
        raise TrustRefused(TRUST_REVOKED, quote_untrusted(entry.sentence, 400))
    objection = Objection(TRUST_UNSIGNED.name, "nobody who is believed vouches for it")
    return Decision(rule=RULE, counted=(), level=Level.WARN, objections=(objection,))
