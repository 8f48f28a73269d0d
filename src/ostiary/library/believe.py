"""Whom to believe for one model: whom somebody names for this once, or whom the policy believes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.core.values import dataclass
from ostiary.errors import USAGE, Misuse
from ostiary.library.belief import load_belief_for, load_revocations, refusing_unread

if TYPE_CHECKING:
    from ostiary.record.log import Log
    from ostiary.trust.explanation import Explanation
    from ostiary.trust.judge import Decide
    from ostiary.trust.material import TrustMaterial


@dataclass(frozen=True, slots=True)
class Named:
    """What somebody names. Nobody at all: then the policy decides."""

    keys: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    identity: str | None = None
    issuer: str | None = None
    policy: Path | None = None
    sigstore_config: Path | None = None
    model_id: str | None = None
    """The model must be signed as this one."""
    allows_unsigned: bool = False
    """Nobody need vouch for it."""

    @property
    def is_by_hand(self) -> bool:
        return bool(self.keys or self.roots or self.issuer)

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it names."""
        others = (path for path in (self.policy, self.sigstore_config) if path is not None)
        return (*self.keys, *self.roots, *others)


@dataclass(frozen=True, slots=True)
class Believed:
    """What a verification needs to know of that."""

    material: TrustMaterial
    decide: Decide
    needs_vouching: bool
    """False where `decide` itself has an answer to what nobody vouches for."""


def choose_believed(
    named: Named,
    model: str | os.PathLike[str],
    now: datetime,
    log: Log,
    *,
    ask: Callable[[Explanation], bool] | None = None,
) -> Believed:
    """`ask`: whether a model that was never seen here is the right one. Raises Misuse, and TrustRefused."""
    _check_named(named)
    if named.allows_unsigned:
        return _believe_nobody(named, model, now, log)
    believed = _believe_named(named, now) if named.is_by_hand else _believe_policy(named, model, now, log, ask)
    return believed if named.sigstore_config is None else _exchange_instance(believed, named.sigstore_config)


def _check_named(named: Named) -> None:
    if named.allows_unsigned and (named.is_by_hand or named.identity or named.policy or named.model_id):
        raise Misuse(USAGE, "a model that nobody need vouch for has no key, policy, identity or id to go with it")
    if named.policy is not None and (named.is_by_hand or named.identity):
        raise Misuse(USAGE, "a policy says whom to believe; key, root, identity and issuer do not go with it")
    if bool(named.roots or named.issuer) != bool(named.identity):
        raise Misuse(USAGE, "root and issuer need an identity, and it needs one of them")


def _believe_named(named: Named, now: datetime) -> Believed:
    from ostiary.library.read_keys import read_public_key, read_roots
    from ostiary.trust.decide_by_key import NamedSigner, decide_by_key, is_named
    from ostiary.trust.material import TrustMaterial

    signer = None if named.identity is None else NamedSigner(named.identity, named.issuer)
    material = TrustMaterial(
        keys=[read_public_key(path) for path in named.keys],
        roots_der=[der for path in named.roots for der in read_roots(path)],
        use_sigstore=named.issuer is not None,
        is_believed=lambda found: is_named(found, signer),
    )
    model_id = named.model_id
    return Believed(
        material,
        lambda evidence: decide_by_key(evidence, now, model_id=model_id, named=signer),
        needs_vouching=True,
    )


def _believe_policy(
    named: Named,
    model: str | os.PathLike[str],
    now: datetime,
    log: Log,
    ask: Callable[[Explanation], bool] | None,
) -> Believed:
    from ostiary.intake.tree import check_is_there

    check_is_there(model)  # "no policy" would send whoever mistyped the path after another mistake
    belief = load_belief_for(model, named.policy, now, log)
    decide = belief.bind(log, now, named.model_id, ask=ask)
    return Believed(belief.material, decide, needs_vouching=named.policy is None)


def _believe_nobody(named: Named, model: str | os.PathLike[str], now: datetime, log: Log) -> Believed:
    from ostiary.trust.decide_unsigned import decide_unsigned
    from ostiary.trust.material import TrustMaterial

    with refusing_unread(model, log):
        revocations = load_revocations(named.policy, now, log)
    return Believed(TrustMaterial(), lambda evidence: decide_unsigned(evidence, revocations), needs_vouching=False)


def _exchange_instance(believed: Believed, path: Path) -> Believed:
    """A Sigstore instance of one's own in the place of the public one."""
    from ostiary.library.read_keys import read_sigstore_roots

    if not believed.material.use_sigstore:
        raise Misuse(USAGE, "a Sigstore configuration is for keyless signatures, and nobody is named who makes any")
    return replace(believed, material=replace(believed.material, sigstore_config=read_sigstore_roots(path)))
