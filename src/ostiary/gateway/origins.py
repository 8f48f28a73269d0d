"""Which names the Host header may have, and which web pages may ask. Deny by default. Pure.

A page that somebody visits can reach servers on that person's own machine. What keeps it out is here: its Origin is
not let in, and a name that it made to point at this machine (DNS rebinding) is none of ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Final

from ostiary.core.values import dataclass
from ostiary.gateway.rate_limits import RATE_LIMIT_HEADERS
from ostiary.gateway.reply import Headers

_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_MAX_NAME_CHARACTERS: Final = 253
_ORIGIN: Final = re.compile(r"https?://([^/:@?#\s\[\]]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?", re.ASCII)
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  named, not listened at
_METHODS: Final = "GET, POST"
_READ: Final = (
    "authorization", "x-api-key", "content-type", "x-request-id", "traceparent", "ostiary-timeout",
    "inference-header-content-length",
)  # fmt: skip
_OF_CLIENTS: Final = (
    "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access",
    "openai-organization", "openai-project", "openai-beta", "user-agent", "idempotency-key",
    *(f"x-stainless-{name}" for name in (
        "lang", "package-version", "os", "arch", "runtime", "runtime-version", "retry-count", "timeout", "async",
        "helper", "helper-method", "poll-helper", "custom-poll-interval", "stream-helper", "custom-event-handler",
    )),
)  # fmt: skip
"""What those of OpenAI and Anthropic say of themselves: passed over, but a browser asks whether it may be sent."""
_REQUEST_HEADERS: Final = ", ".join((*_READ, *_OF_CLIENTS))
_ANSWER_HEADERS: Final = ", ".join(
    (
        "x-request-id",
        "x-correlation-id",
        "traceparent",
        "retry-after",
        "x-should-retry",
        "inference-header-content-length",
        *RATE_LIMIT_HEADERS,
    )
)


def is_host_name(text: str) -> bool:
    """A name or an address, without a port."""
    labels = text.removesuffix(".").split(".")
    is_name = len(text) <= _MAX_NAME_CHARACTERS and all(_LABEL.fullmatch(label) for label in labels)
    return is_name or _is_bracketed(text)


def is_origin(text: str) -> bool:
    return _ORIGIN.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Origins:
    """What one server lets in."""

    hosts: frozenset[str]
    origins: frozenset[str]
    takes_any_address: bool = False
    """Where it listens at every address of the machine: an address is no name that somebody could point here."""

    def is_own_host(self, claimed: str) -> bool:
        """`claimed`: the Host header, with its port or without. The port is not looked at: proxies change it."""
        name, colon, port = claimed.rpartition(":")
        if not colon or claimed.endswith("]"):
            name = claimed
        elif not (port.isascii() and port.isdecimal() and len(port) <= 5):
            return False
        known = name.lower().removesuffix(".")
        return known in self.hosts or (self.takes_any_address and _is_address(known))

    def is_own_origin(self, claimed: str) -> bool:
        return claimed.lower() in self.origins

    def cors_headers(self, origin: str) -> Headers:
        """For an answer to a page of an origin that is let in."""
        return (
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", _ANSWER_HEADERS),
            ("vary", "Origin"),
        )

    def preflight_headers(self, origin: str) -> Headers:
        return (
            *self.cors_headers(origin),
            ("access-control-allow-methods", _METHODS),
            ("access-control-allow-headers", _REQUEST_HEADERS),
            ("access-control-max-age", "600"),
        )


def choose_origins(host: str, hosts: Collection[str], origins: Collection[str]) -> Origins:
    """`host`: the address that is listened at. Loopback has its usual names; elsewhere they are its own address."""
    own = {f"[{host}]" if ":" in host else host.lower()}
    is_every = host in _EVERYWHERE
    if is_loopback(host) or is_every:
        own |= _LOOPBACK_NAMES
    return Origins(frozenset(own | {name.lower() for name in hosts}), frozenset(origins), is_every)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return _is_bracketed(text)
    return True


def _is_bracketed(text: str) -> bool:
    if not (text.startswith("[") and text.endswith("]")):
        return False
    try:
        ipaddress.IPv6Address(text[1:-1])
    except ValueError:
        return False
    return True
