"""Whom to try a signature against: what an operator or a policy names. Being here is not being believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ostiary.core.values import dataclass
from ostiary.trust.evidence import Signer
from ostiary.trust.public_key import PublicKey


def _believe_all(_signer: Signer) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class TrustMaterial:
    """Keys, root certificates and whether sigstore's packaged roots count. Policy decides what each is good for."""

    keys: Sequence[PublicKey] = ()
    roots_der: Sequence[bytes] = ()
    """Root certificates in DER; a chain must end at one of them."""
    use_sigstore: bool = False
    """Whether keyless bundles are checked against the trust root that the `sigstore` extra packages."""
    sigstore_config: bytes | None = None
    """The client trust configuration of another instance, whose roots stand in the place of the packaged ones."""
    is_believed: Callable[[Signer], bool] = _believe_all
    """Whether somebody whose signature is right was named for anything at all. Says a better no, never a yes."""
