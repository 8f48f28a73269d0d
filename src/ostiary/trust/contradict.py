"""What a believed signature says against files that intake refused: a better reason for the same no.

A signed file whose format is broken is first of all not the file that was signed: whoever reads "malformed" looks
for a fault of the publisher, whoever reads "not what was signed" looks for the one who changed it. As pure as
verify.py, and without any way to a yes: what comes out is a refusal or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ostiary.core.limits import MAX_SIGNATURE_FILES
from ostiary.core.text import quote_untrusted
from ostiary.errors import CODES, IntakeRefused, Misuse, TrustRefused
from ostiary.trust.check_files import FileSet, check_digests, check_files
from ostiary.trust.evidence import SignedStatement
from ostiary.trust.material import TrustMaterial
from ostiary.trust.paths import check_paths
from ostiary.trust.verify import SignatureFile, UnsafeAllowances, read_claim, verify_claimed_signature


def find_contradiction(
    files: FileSet,
    refusal: IntakeRefused,
    signatures: Sequence[SignatureFile],
    *,
    material: TrustMaterial,
    now: datetime,
    allowances: UnsafeAllowances,
) -> TrustRefused | None:
    """The refusal of the first believed signature over other files than these; None where intake's own stands."""
    for file in signatures[:MAX_SIGNATURE_FILES]:
        statement = _read_believed(file, material, now, allowances)
        if statement is None:
            continue
        try:
            check_files(files, statement, allowances.lets_stay)
            check_digests(files, statement)
        except TrustRefused as said:
            message = f"{said.message} (intake refuses it, too: {quote_untrusted(refusal.code)})"
            return TrustRefused(CODES[said.code], message, path=said.path, findings=refusal.findings)
    return None


def _read_believed(
    file: SignatureFile, material: TrustMaterial, now: datetime, allowances: UnsafeAllowances
) -> SignedStatement | None:
    """Steps 1, 2 and 6: what a right signature by somebody who was named says; None for any other."""
    try:
        claim = read_claim(file, legacy=allowances.legacy)
        check_paths(claim.statement)
        signer = verify_claimed_signature(claim, material, now)
    except (TrustRefused, Misuse):  # Misuse: an extra that it would take is not installed
        return None
    return claim.statement if material.is_believed(signer) else None
