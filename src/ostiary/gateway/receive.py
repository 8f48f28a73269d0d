"""The body of a request, received within bounds: its own, and those of all bodies together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from ostiary.core.frames import map_memory
from ostiary.errors import GATEWAY_BODY_TOO_LARGE, GATEWAY_BUSY, GatewayRefused

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
ReceiveWhole: TypeAlias = Callable[[memoryview], Awaitable[memoryview | None]]
FindPlace: TypeAlias = Callable[[int], "memoryview | None"]

_SHORT_BYTES: Final = 1 << 16
_LONG_BYTES: Final = 1 << 20
"""From here on it is worth a piece of memory of its own."""


class ClientGone(Exception):
    """Nobody waits for an answer any more."""


class BodyBudget:
    """Bytes that all requests together may hold while they are received. Of one event loop.

    A tenant's first long body has all the room that is left; with more of them it comes to hold as much as it
    leaves to others, and no more. Short bodies have what room there is.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._by_tenant: Final[dict[str, int]] = {}

    def hold(self, tenant: str) -> Held:
        return Held(self, tenant)

    def take(self, tenant: str, count: int) -> None:
        held = self._by_tenant.get(tenant, 0)
        is_greedy = count > _SHORT_BYTES and held > 0 and held + count > self._left - count
        if count > self._left or is_greedy:
            raise GatewayRefused(GATEWAY_BUSY, "as many bytes are being received as there is room for")
        self._left -= count
        self._by_tenant[tenant] = held + count

    def give_back(self, tenant: str, count: int) -> None:
        self._left += count
        held = self._by_tenant.pop(tenant, 0) - count
        if held > 0:
            self._by_tenant[tenant] = held


class Held:
    """What one request holds of it, until it is left."""

    def __init__(self, budget: BodyBudget, tenant: str) -> None:
        self._budget: Final = budget
        self._tenant: Final = tenant
        self._held = 0

    def grow(self, total: int) -> None:
        if total > self._held:
            self._budget.take(self._tenant, total - self._held)
            self._held = total

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._tenant, self._held)
        self._held = 0


async def receive_body(
    receive: Receive,
    claimed_bytes: int | None,
    most_bytes: int,
    held: Held,
    *,
    receive_whole: ReceiveWhole | None = None,
    find_place: FindPlace = lambda _: None,
) -> bytes | memoryview:
    """`claimed_bytes`: its Content-Length, None where it comes in chunks. Raises GatewayRefused and ClientGone.

    `receive_whole`: how the connection receives one that is long, and of which the length is known. `find_place`:
    memory for it, where there is some that is better than any other.
    """
    if claimed_bytes is not None and claimed_bytes > most_bytes:
        raise _too_large(most_bytes)
    held.grow(claimed_bytes or 0)
    if receive_whole is not None and claimed_bytes is not None and claimed_bytes >= _LONG_BYTES:
        place = find_place(claimed_bytes)
        whole = await receive_whole(memoryview(map_memory(claimed_bytes)) if place is None else place)
        if whole is None:
            raise ClientGone
        return whole
    parts: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        part = message.get("body", b"")
        total += len(part)
        if total > most_bytes:
            raise _too_large(most_bytes)
        held.grow(total)
        if part:
            parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most_bytes: int) -> GatewayRefused:
    return GatewayRefused(GATEWAY_BODY_TOO_LARGE, f"the body has more than {most_bytes:,} bytes")
