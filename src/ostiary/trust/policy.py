"""Whom this house believes for what: the policy as values. `read_policy` makes it, `decide` applies it.

A policy only ever gives. Every field of a rule either must be there, or its absence is the strictest thing it could
say; what takes away (revocations) is counted. So a policy that lost any of its parts never lets in more than the
whole one did (docs/adr/0021-policy.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from ostiary.core.model_id import Pattern
from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass
from ostiary.trust.decision import Level
from ostiary.trust.evidence import Signer, SignerMethod
from ostiary.trust.material import TrustMaterial
from ostiary.trust.public_key import PublicKey
from ostiary.trust.revocation import NOTHING_REVOKED, Revocations
from ostiary.trust.sources import Source
from ostiary.trust.version import Version


class FirstUse(StrEnum):
    """What happens to a model that was never seen here."""

    ASK = "ask"
    ACCEPT = "accept"


_LENIENCY: Final = (Level.ENFORCE, Level.WARN, Level.AUDIT)
"""Each gives more than the one before it."""

FORMATS: Final[Mapping[str, FileKind]] = {
    str(kind): kind for kind in (FileKind.SAFETENSORS, FileKind.GGUF, FileKind.NPY, FileKind.NPZ, FileKind.MLXFN)
}
"""Formats that a rule can allow; what intake itself refuses stays refused."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Whoever holds this key."""

    name: str
    key: PublicKey

    def is_meant_by(self, signer: Signer) -> bool:
        return signer.method is SignerMethod.KEY and signer.key_id == self.key.key_id


@dataclass(frozen=True, slots=True)
class CertificateSigner:
    """Whom one of these authorities has certified to be `identity`."""

    name: str
    identity: str
    roots_der: tuple[bytes, ...] = field(repr=False)

    def is_meant_by(self, signer: Signer) -> bool:
        return (
            signer.method is SignerMethod.CERTIFICATE
            and signer.identity == self.identity
            and signer.issuer in {hashlib.sha256(root).hexdigest() for root in self.roots_der}
        )


@dataclass(frozen=True, slots=True)
class SigstoreSigner:
    """Whom this identity provider calls `identity`, as sigstore's certificate authority was told."""

    name: str
    identity: str
    issuer: str

    def is_meant_by(self, signer: Signer) -> bool:
        return (
            signer.method is SignerMethod.SIGSTORE
            and signer.identity == self.identity
            and signer.issuer == self.issuer
        )


PolicySigner = KeySigner | CertificateSigner | SigstoreSigner


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """What models of these ids must fulfil. Exactly one rule speaks for an id, or none does."""

    models: Pattern
    signers: tuple[str, ...]
    need: int
    minimum_version: Version | None
    """None: also models without a version."""
    formats: frozenset[FileKind]
    sources: tuple[Source, ...]
    exceptions: tuple[Pattern, ...] = ()
    """Patterns of other rules within this one's: they speak for those ids."""
    code: frozenset[str] = frozenset()
    """Ids of intake's rules on code whose findings are allowed, where the signers named them too."""
    first_use: FirstUse = FirstUse.ASK
    unnamed: bool = False
    """Whether a signature that names no model counts for the id that was asked for."""
    level: Level = Level.ENFORCE

    @property
    def name(self) -> str:
        return self.models.text

    def matches(self, model_id: str) -> bool:
        return self.models.matches(model_id) and not any(e.matches(model_id) for e in self.exceptions)


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole file."""

    signers: Mapping[str, PolicySigner]
    rules: tuple[PolicyRule, ...]
    revocations: Revocations = NOTHING_REVOKED
    level: Level = Level.ENFORCE
    sha256: str = ""
    """Of the file's bytes, for the record."""

    def find_rule(self, model_id: str) -> PolicyRule | None:
        return next((rule for rule in self.rules if rule.matches(model_id)), None)

    def level_of(self, rule: PolicyRule | None) -> Level:
        """The more giving of the two: a rule can loosen the policy's level for its models, never tighten it."""
        levels = (self.level,) if rule is None else (self.level, rule.level)
        return max(levels, key=_LENIENCY.index)

    @property
    def material(self) -> TrustMaterial:
        """What signatures are tried against. Whoever is revoked is left in: the answer then says so."""

        def is_believed(signer: Signer) -> bool:
            is_named = any(named.is_meant_by(signer) for named in self.signers.values())
            return is_named and self.revocations.find_for_signer(signer) is None

        known = self.signers.values()
        roots = {root: None for s in known if isinstance(s, CertificateSigner) for root in s.roots_der}
        return TrustMaterial(
            keys=tuple(s.key for s in known if isinstance(s, KeySigner)),
            roots_der=tuple(roots),
            use_sigstore=any(isinstance(s, SigstoreSigner) for s in known),
            is_believed=is_believed,
        )


def hash_policy(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
