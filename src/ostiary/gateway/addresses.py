"""Which address a path is, and what its named parts are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from starlette.routing import compile_path

from ostiary.core.limits import MAX_PATH_PART_CHARACTERS
from ostiary.errors import GATEWAY_NO_ROUTE, GatewayRefused
from ostiary.gateway.route import Route

_REMEMBERED: Final = 256
"""Paths, each with parts that are no longer than they may be."""


class Address:
    """All methods of one path."""

    def __init__(self, path: str, routes: Sequence[Route]) -> None:
        self.by_method: Final = {route.method: route for route in routes}
        self.methods: Final = tuple(
            sorted({*self.by_method, "OPTIONS", *(["HEAD"] if "GET" in self.by_method else [])})
        )
        self.has_parts: Final = "{" in path
        self.fixed: Final = path.partition("{")[0]
        """Up to its first named part."""
        self._fixed: Final = self.fixed.encode("ascii")
        self._pattern: Final = compile_path(path)[0]

    def is_spelled_by(self, raw: bytes) -> bool:
        """Only named parts may be escaped: whoever guards addresses before us sees the same ones."""
        return raw.startswith(self._fixed) if self.has_parts else raw == self._fixed

    def match(self, path: str) -> Mapping[str, str] | None:
        """Its named parts; None where it is another one. Raises GatewayRefused where one is too long."""
        found = self._pattern.fullmatch(path) if path.startswith(self.fixed) else None
        if found is None:
            return None
        parts = found.groupdict()
        if any(len(part) > MAX_PATH_PART_CHARACTERS for part in parts.values()):
            raise GatewayRefused(GATEWAY_NO_ROUTE, "a part of the address is too long")
        return parts


class Addresses:
    """All that there are. Those with named parts are tried in the order of their routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        by_path: dict[str, list[Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, []).append(route)
        found = {path: Address(path, of_one) for path, of_one in by_path.items()}
        self._whole: Final = {path: address for path, address in found.items() if not address.has_parts}
        self._others: Final = tuple(address for address in found.values() if address.has_parts)
        self.find: Final = lru_cache(maxsize=_REMEMBERED)(self._find)
        """As `_find`, which see; most of what is asked was asked before."""

    def _find(self, path: str) -> tuple[Address, Mapping[str, str]]:
        """With the named parts of this path, which is decoded. Raises GatewayRefused(GATEWAY_NO_ROUTE)."""
        whole = self._whole.get(path)
        if whole is not None:
            return whole, {}
        for address in self._others:
            parts = address.match(path)
            if parts is not None:
                return address, MappingProxyType(parts)
        raise GatewayRefused(GATEWAY_NO_ROUTE, "no route leads there")
