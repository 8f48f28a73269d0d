"""Turns at something of which there is little: so many at once, of one tenant half of them. Of one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final


class Turns:
    """A tenant's own wait for one another first: whoever has a crowd of them stands in line once or twice."""

    def __init__(self, most: int) -> None:
        self._all: Final = asyncio.Semaphore(most)
        self._of_one: Final = (most + 1) // 2
        self._lines: Final[dict[str, _Line]] = {}

    @property
    def tenants(self) -> int:
        """That have a turn, or wait for one."""
        return len(self._lines)

    @asynccontextmanager
    async def take(self, tenant: str) -> AsyncIterator[None]:
        line = self._lines.setdefault(tenant, _Line(self._of_one))
        line.members += 1
        try:
            async with line.turn, self._all:
                yield
        finally:
            line.members -= 1
            if not line.members:
                del self._lines[tenant]


class _Line:
    """Of one tenant."""

    def __init__(self, most: int) -> None:
        self.turn: Final = asyncio.Semaphore(most)
        self.members = 0
