"""Who waits, and whose turn it is: each tenant has a line of its own, and a clock that work turns. Pure.

A tenant's clock goes on by the work of each request that is let in, divided by its weight; the line whose clock is
behind comes first. Somebody who comes anew starts at the time of the last who was let in: nobody saves up time by
asking nothing, and nobody pays twice for having asked when nobody else did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from ostiary.admission.claims import Claim
from ostiary.core.limits import MAX_REMEMBERED_TENANTS


class Waits(Protocol):
    """Somebody in a line."""

    @property
    def claim(self) -> Claim: ...


_W = TypeVar("_W", bound=Waits)


class _Line(Generic[_W]):
    def __init__(self) -> None:
        self.waiting: Final[deque[_W]] = deque()
        self.inside = 0
        """Requests that were let in and are not over."""
        self.rows = 0
        self.bytes = 0
        self.time = 0.0
        self.came = 0
        self.weight = 1


class FairQueue(Generic[_W]):
    """Also counts what each tenant has inside. What it knows of a tenant goes when that one has nothing here."""

    def __init__(self) -> None:
        self._lines: Final[dict[str, _Line[_W]]] = {}
        self._time = 0.0
        self._came = 0
        self.waiting = 0
        self.inside = 0
        self.rows = 0
        self.bytes = 0
        self.serial = 0

    def count(self, tenant: str) -> int:
        """How many of a tenant wait."""
        line = self._lines.get(tenant)
        return 0 if line is None else len(line.waiting)

    def inside_of(self, tenant: str) -> tuple[int, int, int]:
        """Requests, rows and bytes that a tenant has inside."""
        line = self._lines.get(tenant)
        return (0, 0, 0) if line is None else (line.inside, line.rows, line.bytes)

    @property
    def tenants(self) -> int:
        """That have something here."""
        return len(self._lines)

    def add(self, entry: _W, weight: int) -> None:
        if len(self._lines) >= MAX_REMEMBERED_TENANTS:
            self._forget_idle()
        line = self._lines.setdefault(entry.claim.tenant, _Line())
        if not line.waiting:
            line.time = max(line.time, self._time)
        line.weight = max(1, weight)
        self._came += 1
        line.came = self._came if not line.waiting else line.came
        line.waiting.append(entry)
        self.waiting += 1

    def find_order(self) -> Iterator[_W]:
        """The first of each line, whose turn it is first."""
        if not self.waiting:
            return iter(())
        lines = [line for line in self._lines.values() if line.waiting]
        lines.sort(key=lambda line: (line.time, line.came))
        return iter([line.waiting[0] for line in lines])

    def find_all(self) -> list[_W]:
        return [entry for line in self._lines.values() for entry in line.waiting]

    def remove(self, entry: _W) -> None:
        """It does not wait any more, and was not let in."""
        line = self._lines[entry.claim.tenant]
        line.waiting.remove(entry)
        self.waiting -= 1
        self._forget_if_idle(entry.claim.tenant)

    def let_in(self, entry: _W) -> None:
        """The first of its line."""
        claim = entry.claim
        line = self._lines[claim.tenant]
        line.waiting.popleft()
        self._came += 1
        line.came = self._came
        self.waiting -= 1
        self._time = max(self._time, line.time)
        line.time += claim.work / line.weight
        line.inside += 1
        line.rows += claim.rows
        line.bytes += claim.bytes
        self.inside += 1
        self.rows += claim.rows
        self.bytes += claim.bytes
        self.serial += claim.is_serial

    def let_out(self, claim: Claim, work: int) -> None:
        """`work`: what it really was."""
        line = self._lines[claim.tenant]
        line.time += (work - claim.work) / line.weight
        line.inside -= 1
        line.rows -= claim.rows
        line.bytes -= claim.bytes
        self.inside -= 1
        self.rows -= claim.rows
        self.bytes -= claim.bytes
        self.serial -= claim.is_serial
        self._forget_if_idle(claim.tenant)

    def _forget_idle(self) -> None:
        for tenant, line in list(self._lines.items()):
            if not line.waiting and not line.inside:
                del self._lines[tenant]

    def _forget_if_idle(self, tenant: str) -> None:
        """One that is ahead of the others is remembered until they caught up, or nobody is there."""
        line = self._lines[tenant]
        if line.waiting or line.inside:
            return
        if line.time <= self._time or not (self.waiting or self.inside):
            del self._lines[tenant]
        if not (self.waiting or self.inside):
            self._lines.clear()
            self._time = 0.0
