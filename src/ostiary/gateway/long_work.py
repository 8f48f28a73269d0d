"""What takes a request long, as its body is: done by a thread, one after the other, with turns by tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ostiary.gateway.turns import Turns

_T = TypeVar("_T")

SHORT_BYTES: Final = 65_536
"""Read in a millisecond or two: the event loop does that itself."""


class LongWork:
    """Of one event loop. Two at once would only take the processor from one another, and from the loop."""

    def __init__(self) -> None:
        self._thread: Final = ThreadPoolExecutor(1, "ostiary-bodies")
        self._turns: Final = Turns(1)

    @property
    def tenants(self) -> int:
        """That have work at it, or wait for it."""
        return self._turns.tenants

    async def do(self, tenant: str, act: Callable[[], _T]) -> _T:
        """The longest takes a second, in which others go on."""
        async with self._turns.take(tenant):
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
