"""Who asks: what a request shows is tried as a key, then as a token, then the certificate that its connection has.

One place for every protocol. Each way is an `Authenticator`, which says nothing of what is not of its kind; of what
is, it says whose it is or refuses it. So a key that was revoked never falls through to a weaker way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from ostiary.core.callers import Caller
from ostiary.core.values import dataclass
from ostiary.errors import ADMISSION_UNAUTHENTICATED, AdmissionRefused


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as far as its transport vouches for it."""

    certificate: bytes | None = None
    """DER, of a client whose chain was verified while the connection was made."""
    issuers: int | None = 0
    """How often the list of those who issue certificates had been changed by then; None where nobody knows."""


NO_PEER: Final = Peer()
"""A connection that shows nothing of who is at its other end."""


class Shown:
    """What came with one request. No dataclass: nothing may print it."""

    __slots__ = ("peer", "secret")

    def __init__(self, secret: str, peer: Peer) -> None:
        self.secret: Final = secret
        """Of `Authorization: Bearer` or `x-api-key`, and as long as headers may be; empty where there is none."""
        self.peer: Final = peer


class Authenticator(Protocol):
    """One way to show who asks."""

    def find(self, shown: Shown) -> Caller | None:
        """None where nothing of this kind was shown. Raises AdmissionRefused where it was, and is no good."""


class Authenticators:
    """All ways that this server knows, in the order in which they are tried."""

    def __init__(self, ways: Sequence[Authenticator]) -> None:
        self._ways: Final = tuple(ways)

    def find(self, headers: Mapping[str, str], peer: Peer = NO_PEER) -> Caller:
        """Raises AdmissionRefused."""
        shown = Shown(_read_secret(headers), peer)
        for way in self._ways:
            caller = way.find(shown)
            if caller is not None:
                return caller
        what = "what was shown is none that is known here" if shown.secret else "no key was shown"
        raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, what)


def _read_secret(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip()
    if bearer and scheme.lower() != "bearer":
        raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, "the authorization is none by a bearer token")
    own = headers.get("x-api-key", "")
    if "authorization" in headers and own and bearer != own:
        raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, "two keys were shown, and they differ")
    return bearer or own
