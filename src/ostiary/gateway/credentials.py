"""Certificates and tokens of one running server: opened from the settings, looked at every second, told of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from ostiary.core.limits import MAX_JWKS_MS
from ostiary.errors import EXTRA_MISSING, Misuse
from ostiary.gateway.authenticators import Authenticator, Authenticators
from ostiary.gateway.bearer_tokens import BearerTokens
from ostiary.gateway.client_certificates import CertifiedClients
from ostiary.gateway.credential_settings import CredentialSettings
from ostiary.gateway.tls import Tls, TlsTold
from ostiary.gateway.token_source import TokenSource
from ostiary.record.credential_events import (
    CertificateExpiring,
    CertificateRefused,
    CertificateRenewed,
    TokenKeysRefused,
    TokenKeysRenewed,
)
from ostiary.record.event import Event
from ostiary.record.events import Emit

_MOST_UNTOLD: Final = 64
"""While the record cannot be written; the oldest are dropped then."""


class Credentials:
    """Beside the keys of clients, which have a file of their own."""

    def __init__(self, settings: CredentialSettings, emit: Emit, server: str, say: Callable[[str], None]) -> None:
        """`server`: the correlation id of the running server. `say`: to its operator.

        Raises Misuse where a file is no good, or a library is not installed.
        """
        self._emit: Final = emit
        self._server: Final = server
        self._say: Final = say
        self._untold: Final[deque[Event]] = deque(maxlen=_MOST_UNTOLD)
        self._settings = settings
        self._tokens: BearerTokens | None = None
        self._clients: CertifiedClients | None = None
        self.tls: Final = None if settings.tls is None else Tls(settings.tls, self._hear_tls)
        self._source: TokenSource | None = None
        if settings.token is not None:
            check_token_library()
            self._source = TokenSource(settings.token, self._hear_keys)
            self._tokens = BearerTokens(settings.token, self._source)
        if self.tls is not None and settings.clients:
            tls = self.tls
            self._clients = CertifiedClients(settings.clients, lambda: tls.current.issuers)

    def gather(self, keys: Authenticator | None) -> Authenticators | None:
        """All ways to show who asks; None where there is none."""
        ways = [way for way in (keys, self._tokens, self._clients) if way is not None]
        return Authenticators(ways) if ways else None

    def begin(self) -> None:
        """Has keys fetched where they come from an address; `wait` before anybody is let in."""
        if self._source is not None:
            self._source.look()

    def wait(self) -> None:
        """Until they are there, or did not come in their time: then tokens are refused for now."""
        if self._source is not None:
            self._source.wait(MAX_JWKS_MS / 1000)

    def compare(self, after: CredentialSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of what `change` would do, and of what waits for the next start of the server."""
        before = self._settings
        taken: list[str] = []
        waiting = ["server.tls"] if after.tls != before.tls else []
        if after.clients != before.clients:
            (waiting if self._clients is None else taken).append("clients")
        if after.token != before.token:
            (taken if self._has_same_source(after) else waiting).append("auth.token")
        return tuple(taken), tuple(waiting)

    def change(self, after: CredentialSettings) -> None:
        """What can be changed while the server runs: who is listed, and the rules of tokens."""
        clients, token = self._settings.clients, self._settings.token
        if self._clients is not None:
            self._clients.entries = clients = after.clients
        if self._tokens is not None and after.token is not None and self._has_same_source(after):
            self._tokens.rules = token = after.token
        self._settings = CredentialSettings(self._settings.tls, clients, token)

    def _has_same_source(self, after: CredentialSettings) -> bool:
        names = ("keys", "keys_url", "keys_ca", "keys_time")
        old, new = self._settings.token, after.token
        both = old is not None and new is not None
        return both and all(getattr(old, name) == getattr(new, name) for name in names)

    def look(self) -> None:
        """To be called about once a second, by whoever may wait for a disk. Raises what the record says."""
        if self.tls is not None:
            self.tls.look()
        if self._source is not None:
            self._source.look()
        while self._untold:
            event = self._untold.popleft()
            try:
                self._emit(event)
            except BaseException:
                self._untold.appendleft(event)
                raise

    def _hear_tls(self, told: TlsTold) -> None:
        if told.refused is not None:
            self._untold.append(CertificateRefused(correlation_id=self._server, reason=told.refused.message))
            self._say(f"{told.refused.message}; the certificate before goes on")
            return
        assert told.facts is not None  # noqa: S101  one of both is there
        until = f"{told.facts.not_after:%Y-%m-%d %H:%M} UTC"
        sha256 = told.facts.sha256
        if told.expires_soon:
            self._untold.append(CertificateExpiring(correlation_id=self._server, sha256=sha256, expires=until))
            self._say(f"the certificate expires at {until}")
        else:
            self._untold.append(CertificateRenewed(correlation_id=self._server, sha256=sha256, expires=until))
            self._say(f"the certificate was renewed; it is good until {until}")

    def _hear_keys(self, count: int, problem: Misuse | None) -> None:
        if problem is None:
            self._untold.append(TokenKeysRenewed(correlation_id=self._server, keys=count))
            self._say(
                f"tokens are checked with {count} {'key' if count == 1 else 'keys'} of their issuer from now on"
            )
            return
        self._untold.append(TokenKeysRefused(correlation_id=self._server, reason=problem.message, keys=count))
        self._say(f"{problem.message}; {'those before go on' if count else 'no token is let in until then'}")


def check_token_library() -> None:
    """Raises Misuse(EXTRA_MISSING)."""
    if find_spec("jwt") is None:
        hint = "pip install 'ostiary[tokens]'"
        raise Misuse(EXTRA_MISSING, "signed tokens need PyJWT, of the extra tokens", hint=hint)
