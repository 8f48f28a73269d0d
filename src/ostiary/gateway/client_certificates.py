"""The certificate of a client's connection -> who asks. Pure, but for the clock.

The chain was verified while the connection was made; here is only whose certificate it is, by the names that the
operator listed. Issued by the right authority and listed nowhere is nobody.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from ostiary.core.callers import Caller, Way
from ostiary.core.limits import MAX_CERTIFICATE_NAMES
from ostiary.core.values import dataclass
from ostiary.errors import ADMISSION_EXPIRED, ADMISSION_UNAUTHENTICATED, AdmissionRefused
from ostiary.gateway.authenticators import Shown
from ostiary.gateway.tls_settings import ClientEntry

_ID_DIGITS: Final = 12
_REMEMBERED: Final = 1_024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What counts of it."""

    sha256: str
    names: frozenset[str]
    """As [clients] writes them: dns:, uri:, email:, subject: and sha256:."""
    not_before: float
    not_after: float


@lru_cache(maxsize=_REMEMBERED)
def read_client_certificate(der: bytes) -> ClientCertificate:
    """Raises AdmissionRefused where it has what nobody here understands."""
    from cryptography import x509  # noqa: PLC0415  slow to import

    try:
        certificate = x509.load_der_x509_certificate(der)
        subject = certificate.subject.rfc4514_string()
        named = _list_alternatives(certificate)
        period = (certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())
    except Exception as error:  # many kinds, none of them documented as complete
        raise _refuse("the certificate cannot be read") from error
    if len(named) > MAX_CERTIFICATE_NAMES:
        raise _refuse("the certificate has more names than are looked at")
    digest = hashlib.sha256(der).hexdigest()
    names = {f"sha256:{digest}", *named, *([f"subject:{subject}"] if subject else [])}
    return ClientCertificate(digest, frozenset(names), *period)


def _list_alternatives(certificate: object) -> list[str]:
    from cryptography import x509  # noqa: PLC0415

    assert isinstance(certificate, x509.Certificate)  # noqa: S101  for the type checker
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *(f"dns:{name.lower()}" for name in found.get_values_for_type(x509.DNSName)),
        *(f"uri:{name}" for name in found.get_values_for_type(x509.UniformResourceIdentifier)),
        *(f"email:{name}" for name in found.get_values_for_type(x509.RFC822Name)),
    ]


class CertifiedClients:
    """The authenticator of certificates."""

    def __init__(
        self,
        entries: Mapping[str, ClientEntry],
        current: Callable[[], int],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`current`: counts how often those who issue certificates were changed, as `Peer.issuers` did then."""
        self.entries = entries
        """Replaced as a whole where the settings are read anew."""
        self._current: Final = current
        self._now: Final = now

    def find(self, shown: Shown) -> Caller | None:
        """None without a certificate."""
        der = shown.peer.certificate
        if der is None:
            return None
        if shown.peer.issuers not in (None, self._current()):
            raise _refuse("the connection is older than the list of those who issue certificates")
        certificate = read_client_certificate(der)
        now = self._now()
        if now > certificate.not_after:
            raise AdmissionRefused(ADMISSION_EXPIRED, "the certificate has expired since the connection was made")
        if now < certificate.not_before:
            raise _refuse("the certificate is not good yet")
        entries = [entry for name, entry in self.entries.items() if name in certificate.names]
        if not entries:
            raise _refuse("the certificate is none that is known here")
        if any(entry != entries[0] for entry in entries):
            raise _refuse("the certificate is that of two clients, which may do different things")
        entry = entries[0]
        return Caller(
            id=f"cert-{certificate.sha256[:_ID_DIGITS]}",
            tenant=entry.tenant,
            scopes=entry.scopes,
            models=entry.models,
            way=Way.CERTIFICATE,
        )


def _refuse(what: str) -> AdmissionRefused:
    return AdmissionRefused(ADMISSION_UNAUTHENTICATED, what)
