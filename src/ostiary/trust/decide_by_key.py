"""Step 7 where there is no policy: an operator named the key, certificate root or identity for this one time."""

from __future__ import annotations

from datetime import datetime

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_WRONG_MODEL, TRUST_WRONG_SIGNER, TrustRefused
from ostiary.trust.dates import check_dates
from ostiary.trust.decision import Decision
from ostiary.trust.evidence import Evidence, Signer, SignerMethod, Vouching

RULE = "key"


@dataclass(frozen=True, slots=True)
class NamedSigner:
    """Whom the operator named: a certificate's or keyless signature's identity, and the latter's provider."""

    identity: str
    issuer: str | None = None


def decide_by_key(
    evidence: Evidence, now: datetime, *, model_id: str | None = None, named: NamedSigner | None = None
) -> Decision:
    """Yes, where one of the named signers says of the asked-for model something that still holds.

    A bare key is believed because it was named. A certificate or a keyless signature only says who somebody is: it
    counts where that is whom the operator named.
    """
    counted: list[Vouching] = []
    refusal: TrustRefused | None = None
    for vouching in evidence.vouchings:
        try:
            _check(vouching, now, model_id, named)
        except TrustRefused as reason:
            refusal = refusal or reason
        else:
            counted.append(vouching)
    if not counted:
        raise refusal or TrustRefused(TRUST_WRONG_SIGNER, "nobody vouches for it")
    return Decision(rule=RULE, counted=tuple(counted))


def _check(vouching: Vouching, now: datetime, model_id: str | None, named: NamedSigner | None) -> None:
    signer, statement = vouching.signer, vouching.statement
    if not is_named(signer, named):
        raise TrustRefused(
            TRUST_WRONG_SIGNER, f"it was signed by '{quote_untrusted(signer.identity)}', who was not named"
        )
    if model_id is not None and statement.model_id != model_id:
        said = "no id" if statement.model_id is None else f"the id '{quote_untrusted(statement.model_id)}'"
        raise TrustRefused(TRUST_WRONG_MODEL, f"it was signed with {said}, not as '{quote_untrusted(model_id)}'")
    check_dates(statement, now)


def is_named(signer: Signer, named: NamedSigner | None) -> bool:
    """Whether it is somebody whom the operator named; the key of a bare signature was, or it would not be right."""
    if signer.method is SignerMethod.KEY:
        return True
    if named is None or signer.identity != named.identity:
        return False
    return signer.method is SignerMethod.CERTIFICATE or signer.issuer == named.issuer
