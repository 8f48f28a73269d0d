"""Whom to believe by policy: finds the policy, adds what was fetched, and decides with the memory of versions."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import USAGE, Misuse, TrustRefused

if TYPE_CHECKING:
    from ostiary.record.log import Log
    from ostiary.trust.decide_by_policy import PolicyDecider
    from ostiary.trust.distribution import DistributedTrust
    from ostiary.trust.explanation import Explanation
    from ostiary.trust.material import TrustMaterial
    from ostiary.trust.policy import Policy
    from ostiary.trust.revocation import Revocations

POLICY_VARIABLE: Final = "OSTIARY_POLICY"


@dataclass(frozen=True, slots=True)
class Belief:
    """A policy in force, and what it is called when it is shown."""

    policy: Policy
    revocations: Revocations
    """Those that were fetched; the policy's own count anyway."""
    origin: str
    expires_at: datetime | None = None
    """When what was fetched ends."""

    @property
    def material(self) -> TrustMaterial:
        """What signatures are tried against, with everything that is revoked."""
        return replace(self.policy, revocations=self.policy.revocations + self.revocations).material

    def bind(
        self,
        log: Log,
        now: datetime,
        asked_id: str | None,
        *,
        ask: Callable[[Explanation], bool] | None = None,
        is_pinning: bool = False,
        is_rehearsal: bool = False,
    ) -> PolicyDecider:
        from ostiary.core.model_id import parse_model_id
        from ostiary.trust.decide_by_policy import PolicyDecider
        from ostiary.trust.explanation import Circumstances
        from ostiary.trust.rollback import VersionMemory

        asked = None if asked_id is None else parse_model_id(asked_id)
        return PolicyDecider(
            self.policy,
            VersionMemory(log),
            Circumstances(now, asked, revocations=self.revocations),
            correlation_id=secrets.token_hex(8),
            ask=ask,
            is_pinning=is_pinning,
            is_rehearsal=is_rehearsal,
        )


def find_policy_path(chosen: Path | None) -> Path:
    """--policy, OSTIARY_POLICY, or the place that the platform has for a user's settings."""
    if chosen is not None:
        return chosen
    named = os.environ.get(POLICY_VARIABLE)
    if named:
        return Path(named)
    import platformdirs

    from ostiary.trust.policy_file import POLICY_FILE

    return Path(platformdirs.user_config_dir("ostiary", appauthor=False)) / POLICY_FILE


def load_belief(chosen: Path | None, now: datetime, log: Log) -> Belief:
    """The policy that was named, else the one in its usual place, else the one that was fetched.

    Where this house follows a repository, what that repository revokes counts with every policy; when it is gone or
    has gone stale, nothing is believed.
    """
    from ostiary.trust.read_policy import parse_policy

    fetched = _read_fetched(now, log)
    found = _find_policy(chosen, fetched)
    if found is None:
        raise Misuse(
            USAGE, "there is no policy", hint="Make one with `ostiary trust init`, or name one with --policy."
        )
    ends = None if fetched is None else fetched.expires_at
    return Belief(parse_policy(found[0]), _parse_fetched(fetched), found[1], ends)


def load_revocations(chosen: Path | None, now: datetime, log: Log) -> Revocations:
    """Everything that is revoked, also where there is no policy."""
    from ostiary.trust.read_policy import parse_policy

    fetched = _read_fetched(now, log)
    found = _find_policy(chosen, fetched)
    revoked = _parse_fetched(fetched)
    return revoked if found is None else parse_policy(found[0]).revocations + revoked


def load_belief_for(model: str | os.PathLike[str], chosen: Path | None, now: datetime, log: Log) -> Belief:
    """As `load_belief`. Where nobody can be believed, that is the verdict on the model, and in the record."""
    with refusing_unread(model, log):
        return load_belief(chosen, now, log)


@contextmanager
def refusing_unread(model: str | os.PathLike[str], log: Log) -> Iterator[None]:
    from ostiary.walks.model_walk import refuse_unread

    try:
        yield
    except TrustRefused as refusal:
        refuse_unread(model, log.emit, refusal)
        raise


def _read_fetched(now: datetime, log: Log) -> DistributedTrust | None:
    from ostiary.trust.distribution import read_distributed
    from ostiary.trust.subscription import check_subscription

    state = check_subscription(log)
    return None if state is None else read_distributed(state, now)


def _parse_fetched(fetched: DistributedTrust | None) -> Revocations:
    from ostiary.trust.revocation import NOTHING_REVOKED, parse_revocations

    if fetched is None or fetched.revocations is None:
        return NOTHING_REVOKED
    return parse_revocations(fetched.revocations)


def _find_policy(chosen: Path | None, fetched: DistributedTrust | None) -> tuple[bytes, str] | None:
    """Its bytes, and what it is called."""
    from ostiary.trust.policy_file import read_policy_file

    path = find_policy_path(chosen)
    if chosen is not None or POLICY_VARIABLE in os.environ or os.path.lexists(path):
        return read_policy_file(path), quote_untrusted(path.name)
    if fetched is not None and fetched.policy is not None:
        return fetched.policy, "the repository's policy"
    return None
