"""Whose turn it is where several tenants share the engine. Pure: it knows works by tenant, and how far they are.

Prompts take turns by tenant, and those of one tenant among themselves. And where somebody has much at work and
somebody else comes with little, the first token of the one comes before more tokens of the other: in most steps the
crowd rests, in one of `CROWD_STEPS` it goes on. Without a crowd nobody rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

CROWD_STEPS: Final = 8
_CROWD_WORKS: Final = 4
"""A crowd is a tenant with so many works, and so many times those of whoever comes beside it."""


class Turning(Protocol):
    """A call that generates."""

    @property
    def tenant(self) -> str | None: ...

    @property
    def has_begun(self) -> bool:
        """Whether its first token came."""


_W = TypeVar("_W", bound=Turning)


class Turns:
    """Of one schedule."""

    def __init__(self) -> None:
        self._step = 0
        self._resting: frozenset[str | None] = frozenset()
        self._last: dict[str | None, int] = {}
        """The step in which a piece of a prompt of each tenant was last computed."""

    def begin_step(self, works: Sequence[Turning]) -> None:
        """`works`: all that are inside."""
        self._step += 1
        counts = Counter(work.tenant for work in works)
        if len(counts) < 2:
            self._resting = frozenset()
            self._last = {tenant: at for tenant, at in self._last.items() if tenant in counts}
            return
        newcomers = {work.tenant for work in works if not work.has_begun}
        fewest = min((counts[tenant] for tenant in newcomers), default=0)
        crowds = frozenset(
            tenant
            for tenant, count in counts.items()
            if fewest and count >= _CROWD_WORKS and count >= _CROWD_WORKS * fewest
        )
        is_their_step = self._step % CROWD_STEPS == 0
        self._resting = frozenset() if is_their_step else crowds
        self._last = {tenant: at for tenant, at in self._last.items() if tenant in counts}

    def may_go_on(self, work: Turning) -> bool:
        """Whether it is worked on in this step."""
        return work.tenant not in self._resting

    def order(self, reading: Sequence[_W]) -> list[_W]:
        """Those whose prompts may be read in this step: of the tenant that was read longest ago first."""
        able = [work for work in reading if self.may_go_on(work)]
        return sorted(able, key=lambda work: self._last.get(work.tenant, -1))

    def note_read(self, works: Sequence[Turning]) -> None:
        """A piece of the prompt of each was computed."""
        for work in works:
            self._last[work.tenant] = self._step
