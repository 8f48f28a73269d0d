"""The events of what a server shows and believes: its certificate, and the keys that tokens are checked with."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRenewed(Event):
    """New connections to a running server are encrypted with another certificate than before."""

    kind: ClassVar[str] = "certificate.renewed"

    sha256: Annotated[str, "of the certificate, hexadecimal"]
    expires: Annotated[str, "when it expires, in UTC"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRefused(Event):
    """The changed files of a running server's certificate are no good: it goes on with the one that it had."""

    kind: ClassVar[str] = "certificate.refused"

    reason: Annotated[str, "what is wrong with them"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateExpiring(Event):
    """The certificate of a running server has less than a week left."""

    kind: ClassVar[str] = "certificate.expiring"

    sha256: Annotated[str, "of the certificate, hexadecimal"]
    expires: Annotated[str, "when it expires, in UTC"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKeysRenewed(Event):
    """A running server checks tokens with other keys than before."""

    kind: ClassVar[str] = "token_keys.renewed"

    keys: Annotated[int, "how many there are"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKeysRefused(Event):
    """Keys for tokens could not be had, or are no good: a running server goes on with those that it has."""

    kind: ClassVar[str] = "token_keys.refused"

    reason: Annotated[str, "what is wrong with them"]
    keys: Annotated[int, "how many it has"]
