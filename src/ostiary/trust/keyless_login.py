"""Where an identity token comes from if nobody gave one: the build service that this runs in, or a login.

Both are the `sigstore` library's: it knows the build services, and opens the browser. Its complaints quote answers
that may hold a token, so none of them is kept.
"""

from __future__ import annotations

import json
from base64 import b64encode
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from ostiary.core.limits import MAX_SERVICE_MS
from ostiary.core.values import dataclass
from ostiary.errors import SIGNER_FAILED, OstiaryError, SignerFailed
from ostiary.trust.json_fields import JsonObject
from ostiary.trust.keyless_transport import Service, ask_for_json, ask_service, is_loopback, run_within

_DISCOVERY: Final = "/.well-known/openid-configuration"


def fetch_ambient_token(client_id: str) -> str | None:
    """The token that a build service has for its job; None where this is no build service."""
    from sigstore.oidc import IdentityError, detect_credential  # noqa: PLC0415  # an extra, slow to import

    def detect() -> tuple[bool, str | None]:
        try:
            return True, detect_credential(client_id)
        except IdentityError:
            return False, None

    found = run_within(MAX_SERVICE_MS, detect)
    if found is None or not found[0]:
        raise SignerFailed(
            SIGNER_FAILED,
            "this looks like a build service, but it gives no identity token",
            hint="Allow the job to ask for one (on GitHub: permissions: id-token: write), or give a token.",
        )
    return found[1]


def log_in(provider: Service, client_id: str, *, opens_browser: bool) -> str:
    """The token that a person gets by logging in; the library opens the browser, or prints where to go.

    It waits for the person without end. Its two requests to the provider are made here, within bounds.
    """
    from sigstore.oidc import Issuer  # noqa: PLC0415  # an extra, slow to import

    found = ask_for_json(provider, _DISCOVERY, None)
    endpoints = SimpleNamespace(
        authorization_endpoint=_take_endpoint(provider, found, "authorization_endpoint"),
        token_endpoint=_take_endpoint(provider, found, "token_endpoint"),
    )

    class BoundedIssuer(Issuer):
        def __init__(self) -> None:
            """Not the library's, which asks without bounds."""
            held: Any = self
            held.oidc_config, held.session = endpoints, _Session(provider.role)

    token = ""
    try:
        token = str(BoundedIssuer().identity_token(client_id=client_id, force_oob=not opens_browser))
    except OstiaryError:
        raise
    except Exception:  # noqa: BLE001  told below, where it is no longer anybody's cause
        token = ""
    if not token:
        provider.fail("gave no identity token", "Log in again; it may be that the login was refused or cancelled.")
    return token


def _take_endpoint(provider: Service, found: JsonObject, name: str) -> str:
    """An address that a login may go to."""
    url = found.get(name)
    if isinstance(url, str) and url.isascii() and url.isprintable():
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            scheme = ""
        if scheme == "https" or (scheme == "http" and is_loopback(url)):
            return url
    provider.fail("does not say where to log in")


@dataclass(frozen=True, slots=True)
class _Session:
    """As much of a session as the library's login uses."""

    role: str

    def post(self, url: str, *, data: dict[str, str], auth: tuple[str, str], timeout: float) -> _Answer:
        del timeout  # ours holds
        secret = b64encode(":".join(auth).encode()).decode("ascii")
        headers = {
            "Accept": "application/json",
            "Authorization": f"Basic {secret}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return _Answer(ask_service(Service(self.role, url), "", urlencode(data).encode(), headers))


@dataclass(frozen=True, slots=True)
class _Answer:
    """A good answer, as the library reads it."""

    body: bytes
    status_code: int = 200

    def raise_for_status(self) -> None:
        """It was a good one, or there would be none."""

    def json(self) -> object:
        return json.loads(self.body)
