"""Whose turn it is where several tenants share the engine. Pure: it knows works by tenant, and how far they are.

Prompts take turns by tenant, and those of one tenant among themselves. And where somebody has much at work and
somebody else comes with little, the first token of the one comes before more tokens of the other: the crowd rests,
and goes on after every `CROWD_STEPS - 1` steps in which it did. Without a crowd nobody rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

CROWD_STEPS: Final = 5
"""In one of so many a crowd goes on, for as long as the others take: who asks and asks leaves it a fifth."""
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
        self._rested = 0
        """Steps since a crowd went on last."""
        self._crowds: frozenset[str | None] = frozenset()
        self._resting: frozenset[str | None] = frozenset()
        self._last: dict[str | None, int] = {}
        """The step in which a piece of a prompt of each tenant was last computed."""

    @property
    def is_hurried(self) -> bool:
        """Whether somebody rests in this step."""
        return bool(self._resting)

    def begin_step(self, works: Sequence[Turning]) -> None:
        """`works`: all that are inside."""
        self._step += 1
        counts = Counter(work.tenant for work in works)
        self._last = {tenant: at for tenant, at in self._last.items() if tenant in counts}
        self._crowds = _find_crowds(counts, min(counts.values(), default=0))
        newcomers = {work.tenant for work in works if not work.has_begun}
        before_whom = _find_crowds(counts, min((counts[tenant] for tenant in newcomers), default=0))
        self._resting = before_whom if self._rested < CROWD_STEPS - 1 else frozenset()
        self._rested = self._rested + 1 if self._resting else 0

    def is_few(self, work: Turning) -> bool:
        """Whether there is a crowd, and it is of another tenant."""
        return bool(self._crowds) and work.tenant not in self._crowds

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


def _find_crowds(counts: Counter[str | None], fewest: int) -> frozenset[str | None]:
    """Beside somebody who has so few at work; none where that is nobody."""
    return frozenset(tenant for tenant, count in counts.items() if fewest and count >= _CROWD_WORKS * fewest)
