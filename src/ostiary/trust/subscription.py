"""Which repository of trust this house follows: said by an operator, remembered, and missed when it is gone.

What a repository revokes counts with every policy, so that its silent absence would let in what was revoked. The
memory (rollback.py) therefore knows the first root of the repository that is followed, with the record's word for
it, and nobody is believed by a policy where trust/distribution does not hold that very root.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ostiary.errors import TRUST_NOT_FOLLOWED, USAGE, Misuse, TrustRefused
from ostiary.record.log import Log
from ostiary.trust.distribution import (
    check_repository,
    follow_repository,
    has_distribution,
    read_kept_root,
    remove_distribution,
)
from ostiary.trust.rollback import VersionMemory


def subscribe(log: Log, source: str, root: bytes, *, correlation_id: str) -> None:
    """Follows a repository from now on. The same one is followed again where its directory is gone."""
    check_repository(source, root)
    state, memory = log.record.parent, VersionMemory(log)
    repository = hashlib.sha256(root).hexdigest()
    if has_distribution(state) or memory.read_repository() not in (None, repository):
        raise Misuse(
            USAGE,
            "this house follows a repository already",
            hint="To follow another one, first follow that one no more: `ostiary trust unfollow`.",
        )
    memory.remember_repository(repository, correlation_id=correlation_id)
    follow_repository(state, source, root)


def unsubscribe(log: Log, *, correlation_id: str) -> None:
    """Follows no repository any more; what was fetched from it is taken away."""
    state, memory = log.record.parent, VersionMemory(log)
    if memory.read_repository() is None and not has_distribution(state):
        raise Misuse(USAGE, "this house follows no repository", hint="There is nothing to do.")
    memory.remember_repository(None, correlation_id=correlation_id)
    remove_distribution(state)


def check_subscription(log: Log) -> Path | None:
    """The state directory where a repository is followed, else None. Refuses what the memory does not say."""
    state = log.record.parent
    remembered, kept = VersionMemory(log).read_repository(), None
    if has_distribution(state):
        root = read_kept_root(state)
        kept = "" if root is None else hashlib.sha256(root).hexdigest()
    if kept == remembered:
        return None if kept is None else state
    if kept is None:
        what = "the repository of trust that is followed here is gone from the state directory"
    elif remembered is None:
        what = "there is a repository of trust in the state directory that nobody here said to follow"
    else:
        what = "the repository of trust in the state directory is not the one that is followed here"
    raise TrustRefused(TRUST_NOT_FOLLOWED, what)
