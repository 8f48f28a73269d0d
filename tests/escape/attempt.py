"""What an attempt to get out is: a small function, the layers that stop it, and how one sees that it got out.

An attempt runs inside, after the wall stands. It returns bytes as evidence: what it read, or `DONE` where the call
itself is the escape, and then it must not return before the call worked. An exception means that it was stopped.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ostiary.cell.profile import Layer

DONE: Final = b"done"

ENVIRONMENT, DESCRIPTORS, NAMESPACES = Layer.ENVIRONMENT, Layer.DESCRIPTORS, Layer.NAMESPACES
RESOURCES, LANDLOCK, USER = Layer.RESOURCES, Layer.LANDLOCK, Layer.USER
PRIVILEGES, NO_NEW_CODE, NOT_DUMPABLE, SECCOMP = (
    Layer.PRIVILEGES,
    Layer.NO_NEW_CODE,
    Layer.NOT_DUMPABLE,
    Layer.SECCOMP,
)


class World(NamedTuple):
    """What lies outside, for attempts to reach. Every name and number that they need is here."""

    secret: bytes
    """What must not be found out. Attempts have it only to know it when they see it, where nothing else would do."""
    directory: str
    """Anybody may read and write here. It holds `secret` (0644), `own` (0600, of the user who started it)."""
    tcp_port: int
    tcp6_port: int
    udp_port: int
    unix_path: str
    abstract_name: str
    victim: int
    """A process of the same user that does nothing. It holds the secret at `victim_address`."""
    victim_address: int
    parent: int
    """The process that started this one; the secret is in its environment."""
    inherited: int
    """A descriptor that nobody meant to leave open: the secret, readable."""
    kept: int
    """The channel, which stays open."""
    weights: int
    """A read-only descriptor that stays open, as weights do."""
    message_key: int
    """Of a System V message queue and a shared memory segment that hold the secret."""
    queue_name: str
    """Of a POSIX message queue."""
    key_id: int
    """Of a key in the user's keyring that holds the secret; 0 where there is none."""
    setuid_program: str
    """Belongs to root and prints its effective user id; "" where the test is not root's."""
    gadget: int
    """Address of `int 0x80; ret`, as a program that one may jump into could hold it; 0 on other machines."""
    environment: int
    """Address of the secret among the variables that the program was started with."""
    user_id: int
    """Of whoever started it."""


Run = Callable[[World], bytes]
Group = frozenset[Layer]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out."""

    name: str
    run: Run
    stopped_by: Mapping[str, tuple[Group, ...]]
    """For a cell that `root` started, and for one that a `user` did: each group of layers stops it without the others."""
    call: str | None
    """The system call by which the record knows it; None where the filter ends the process, or something else does."""
    missing: frozenset[int]
    """What the kernel says where it was built without: then there is nothing to get out by."""
    needs: int | None
    """A capability that root may lack already; then it cannot be shown that there was something to stop."""

    def mentioned(self, who: str) -> Group:
        return frozenset().union(*self.stopped_by[who])


_attempts: dict[str, Attempt] = {}
ATTEMPTS: Final = _attempts
NOT_BUILT: Final = frozenset({errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT})


def attempt(
    *groups: Layer | tuple[Layer, ...],
    root: Sequence[Layer | tuple[Layer, ...]] = (),
    user: Sequence[Layer | tuple[Layer, ...]] = (),
    call: str | None = None,
    of: str = "root user",
    missing: Collection[int] = (),
    needs: int | None = None,
) -> Callable[[Run], Run]:
    """`groups` stop it whoever started the cell; `root` and `user` add what stops it then only.

    A tuple is layers that stop it together and not alone. `of`: who could get out this way to begin with.
    """

    def add(run: Run) -> Run:
        name = run.__name__
        assert name not in _attempts, name
        stopped_by = {who: _as_groups((*groups, *{"root": root, "user": user}[who])) for who in of.split()}
        _attempts[name] = Attempt(name, run, stopped_by, call, NOT_BUILT | set(missing), needs)
        return run

    return add


def _as_groups(groups: Sequence[Layer | tuple[Layer, ...]]) -> tuple[Group, ...]:
    return tuple(frozenset(group) if isinstance(group, tuple) else frozenset({group}) for group in groups)
