"""Which Sigstore instance signs: the public one as the library packages it, or one that an operator describes.

The file is the `ClientTrustConfig` of github.com/sigstore/protobuf-specs (sigstore_trustroot.proto): where the
services are, and by which roots and keys their work is checked. Other Sigstore clients read the same file.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from ostiary.core.limits import MAX_SIGSTORE_CONFIG_BYTES, MAX_SIGSTORE_CONFIG_VALUES
from ostiary.core.values import dataclass
from ostiary.trust.json_fields import malformed, parse_object
from ostiary.trust.keyless_transport import Service, is_loopback

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig, SigningConfig

_STORE: Final = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_LOG_URL: Final = re.compile(r"(.+)/api/v([12])")
_WHAT: Final = "the Sigstore configuration"


@dataclass(frozen=True, slots=True)
class SigstoreInstance:
    """Where the services of an instance are."""

    authority: Service
    log: Service
    log_version: int
    timestampers: tuple[Service, ...]
    provider: Service | None
    """Where people log in; None where they cannot."""
    config: bytes
    """The whole file: what is signed is checked against the roots in it."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Who learns of a signature and keeps it."""
        return self.authority.host, self.log.host


def load_config(data: bytes) -> ClientTrustConfig:
    """The whole file as the library has it. Our strict reader first: the library's takes the last of two keys."""
    value = parse_object(data, _WHAT, MAX_SIGSTORE_CONFIG_BYTES, MAX_SIGSTORE_CONFIG_VALUES)
    if value.get("mediaType") != _MEDIA_TYPE:
        raise malformed(f"{_WHAT} is not a client trust configuration of version 0.1")
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415  # an extra

    try:
        return ClientTrustConfig.from_json(data.decode("utf-8"))
    except Exception as error:  # pydantic's and the library's own kinds
        raise malformed(f"{_WHAT} has an unknown or a wrong field") from error


def parse_sigstore_config(data: bytes) -> SigstoreInstance:
    """The instance that a configuration describes, or a TrustRefused: MALFORMED or TOO_LARGE."""
    config = load_config(data)
    signing = _choose_services(config)
    authority = Service("the certificate authority", signing.get_fulcio().url)
    log = signing.get_tlogs()[0]
    found = _LOG_URL.fullmatch(getattr(log, "url", ""))
    if found is None:
        raise malformed(f"{_WHAT} names a transparency log of a kind that is not known")
    timestampers = tuple(Service("the timestamp authority", tsa.url) for tsa in signing.get_tsas())
    version = int(found[2])
    if version == 2 and not timestampers:
        raise malformed(f"{_WHAT} names a log that gives no time, and no timestamp authority")
    provider = _find_provider(signing)
    for service in (authority, *([provider] if provider else [])):
        _check_url(service, is_secret=True)
    log_service = Service("the transparency log", found[1])
    for service in (log_service, *timestampers):
        _check_url(service, is_secret=False)
    return SigstoreInstance(authority, log_service, version, timestampers, provider, data)


@cache
def read_packaged_config() -> bytes:
    """The public instance's: its services and its roots, both as of the library's release."""
    store = files("sigstore") / "_store" / _STORE
    root, signing = (
        json.loads((store / name).read_bytes()) for name in ("trusted_root.json", "signing_config.v0.2.json")
    )
    return json.dumps({"mediaType": _MEDIA_TYPE, "trustedRoot": root, "signingConfig": signing}).encode()


def _choose_services(config: ClientTrustConfig) -> SigningConfig:
    """Those that are in service now, one for each operator, as the configuration asks."""
    try:
        return config.signing_config
    except Exception as error:
        raise malformed(f"{_WHAT} names no authority and no log that are in service now") from error


def _find_provider(signing: SigningConfig) -> Service | None:
    from sigstore.errors import Error  # noqa: PLC0415

    try:
        return Service("the identity provider", signing.get_oidc_url())
    except Error:  # says that there is none
        return None


def _check_url(service: Service, *, is_secret: bool) -> None:
    """Where a token or a login goes, nobody on the way may read along. What the others answer is signed."""
    url = service.url
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        _refuse(f"has an address for {service.role} that is none")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not is_address or parts.username is not None or parts.query or parts.fragment:
        _refuse(f"has an address for {service.role} that is none")
    if parts.scheme == "https" or (parts.scheme == "http" and (not is_secret or is_loopback(url))):
        return
    _refuse(f"has an address for {service.role} that is not https")


def _refuse(detail: str) -> NoReturn:
    raise malformed(f"{_WHAT} {detail}")
