"""How many requests may be answered at once, and that no tenant has all the places. Of one event loop. Pure."""

from __future__ import annotations

from typing import Final

from ostiary.errors import GATEWAY_BUSY, GatewayRefused


class Places:
    """Whoever has more than half of them leaves the last eighth to others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._by_tenant: Final[dict[str, int]] = {}

    @property
    def taken(self) -> int:
        return self._most - self._left

    def change(self, most: int) -> None:
        """Nobody who has one loses it."""
        self._left += most - self._most
        self._most = most

    def judge(self, tenant: str) -> None:
        """Raises GatewayRefused(GATEWAY_BUSY) where there is none now."""
        is_greedy = self._by_tenant.get(tenant, 0) > self._most // 2 and self._left <= self._most // 8
        if self._left <= 0 or is_greedy:
            raise GatewayRefused(GATEWAY_BUSY, "there are as many requests as there may be")

    def take(self, tenant: str) -> TakenPlace:
        """One, while a `with` lasts. What it raises on the way in is what `judge` does."""
        return TakenPlace(self, tenant)

    def begin(self, tenant: str) -> None:
        self.judge(tenant)
        self._left -= 1
        self._by_tenant[tenant] = self._by_tenant.get(tenant, 0) + 1

    def end(self, tenant: str) -> None:
        self._left += 1
        held = self._by_tenant.pop(tenant) - 1
        if held:
            self._by_tenant[tenant] = held


class TakenPlace:
    """Use `Places.take`."""

    __slots__ = ("_places", "_tenant")

    def __init__(self, places: Places, tenant: str) -> None:
        self._places: Final = places
        self._tenant: Final = tenant

    def __enter__(self) -> None:
        self._places.begin(self._tenant)

    def __exit__(self, *_: object) -> None:
        self._places.end(self._tenant)
