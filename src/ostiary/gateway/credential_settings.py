"""What the operator says of certificates and tokens, together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ostiary.core.values import dataclass

if TYPE_CHECKING:
    from ostiary.gateway.tls_settings import ClientEntry, TlsSettings
    from ostiary.gateway.token_settings import TokenSettings


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """None where the settings say nothing of it."""

    tls: TlsSettings | None = None
    clients: Mapping[str, ClientEntry] = field(default_factory=dict)
    """By the names in their certificates."""
    token: TokenSettings | None = None

    @property
    def tell_who_asks(self) -> bool:
        """Whether they are a way to know that, beside keys."""
        by_certificate = self.tls is not None and self.tls.client_ca is not None and bool(self.clients)
        return by_certificate or self.token is not None


NO_CREDENTIALS: Final = CredentialSettings()
