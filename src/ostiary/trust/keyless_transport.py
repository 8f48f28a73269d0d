"""One exchange with a service of Sigstore: bounded in time and in size, and nothing but what is asked for goes out.

The `sigstore` library's own clients wait without end and read without end, follow wherever they are sent, and let a
~/.netrc put another password in the token's place. So the few requests that signing needs are made here.

Nothing that a service answers is put into a message, and no exception of a library is kept as a cause: a service
that was given a token can write it into its answer, and a parser's complaint quotes what it complains about.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from ostiary.core.limits import MAX_SERVICE_ANSWER_BYTES, MAX_SERVICE_ANSWER_VALUES, MAX_SERVICE_MS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    EXTRA_MISSING,
    SIGNER_FAILED,
    SOURCE_UNREACHABLE,
    Misuse,
    SignerFailed,
    SourceUnreachable,
    TrustRefused,
)
from ostiary.trust.json_fields import JsonObject, parse_object

if TYPE_CHECKING:
    from requests import PreparedRequest

_T = TypeVar("_T")
_AGENT: Final = "ostiary"


@dataclass(frozen=True, slots=True)
class Service:
    """Whom to ask."""

    role: str
    """What it is, for messages: "the certificate authority"."""
    url: str

    @property
    def host(self) -> str:
        return quote_untrusted(urlsplit(self.url).netloc)

    @property
    def name(self) -> str:
        return f"{self.role} ({self.host})"

    def fail(self, what: str, hint: str | None = None) -> NoReturn:
        raise SignerFailed(SIGNER_FAILED, f"{self.name} {what}", hint=hint or _ASK_OPERATOR)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of an exchange: an answer, or why there is none."""

    status: int = 0
    body: bytes = b""
    is_untrusted: bool = False
    """Whether the connection's certificate was not accepted."""


_ASK_OPERATOR: Final = "Nothing was written. Try again; if it stays so, ask whoever runs the service."
_UNREACHED: Final = _Outcome()


def import_sigstore(name: str) -> None:
    """Refuses where the extra is not installed; called before anything else is done."""
    try:
        import requests  # noqa: F401, PLC0415
        import rfc3161_client  # noqa: F401, PLC0415
        import sigstore  # noqa: F401, PLC0415
    except ImportError as error:
        raise Misuse(
            EXTRA_MISSING,
            f"{name} needs the library `sigstore`",
            hint="Install the extra: pip install 'ostiary[sigstore]'.",
        ) from error


def ask_service(
    service: Service, path: str, body: bytes | None, headers: Mapping[str, str], *, token: str | None = None
) -> bytes:
    """The body of a good answer. A GET where there is no body to send."""
    sent = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    url = f"{service.url.rstrip('/')}{path}" if path else service.url
    outcome = run_within(MAX_SERVICE_MS, lambda: _exchange(url, body, sent))
    if outcome is None or not outcome.status:
        if outcome is not None and outcome.is_untrusted:
            raise SourceUnreachable(
                SOURCE_UNREACHABLE,
                f"{service.name} has no certificate that this machine accepts",
                hint="For an authority of your own, name its root in REQUESTS_CA_BUNDLE.",
            )
        raise SourceUnreachable(
            SOURCE_UNREACHABLE,
            f"{service.name} does not answer",
            hint="Check the network and the service; nothing was written.",
        )
    if outcome.status in range(300, 400):
        service.fail(f"points elsewhere (status {outcome.status}), and that is not followed")
    if outcome.status not in range(200, 300):
        is_about_token = token is not None and outcome.status in (400, 401, 403)
        hint = "Get a fresh identity token that is meant for this instance." if is_about_token else None
        service.fail(f"answered with status {outcome.status}", hint)
    if len(outcome.body) > MAX_SERVICE_ANSWER_BYTES:
        service.fail(f"answered more than {int(MAX_SERVICE_ANSWER_BYTES)} bytes")
    return outcome.body


def ask_for_json(
    service: Service, path: str, body: bytes | None, *, accept: str = "application/json", token: str | None = None
) -> JsonObject:
    """The object of a good answer, read as strictly as a model's own JSON."""
    headers = {"Accept": accept} if body is None else {"Accept": accept, "Content-Type": "application/json"}
    answer = ask_service(service, path, body, headers, token=token)
    value: JsonObject | None = None
    with suppress(TrustRefused):  # told below, where it is no longer anybody's cause
        value = parse_object(answer, service.role, MAX_SERVICE_ANSWER_BYTES, MAX_SERVICE_ANSWER_VALUES)
    if value is None:
        service.fail("answered something that cannot be read")
    return value


def run_within(limit_ms: int, act: Callable[[], _T]) -> _T | None:
    """What `act` gives, or None where it takes longer or fails; what still runs then is left to end by itself.

    Only a thread bounds all of it: looking up a name, and an answer that comes a byte at a time.
    """
    given: list[_T] = []

    def run() -> None:
        try:
            given.append(act())
        except Exception:  # noqa: BLE001  kept by nobody, see above
            return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_ms / 1000)
    return given[0] if given else None


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exchange(url: str, body: bytes | None, headers: Mapping[str, str]) -> _Outcome:
    import requests  # noqa: PLC0415  # an extra, slow to import

    with requests.Session() as session:
        session.auth = _leave_alone
        session.trust_env = not is_loopback(url)  # proxies and authorities of the environment
        seconds = MAX_SERVICE_MS / 1000
        try:
            with session.request(
                "GET" if body is None else "POST",
                url,
                data=body,
                headers=dict(headers),
                timeout=seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                read: bytes = response.raw.read(MAX_SERVICE_ANSWER_BYTES + 1, decode_content=False)
                return _Outcome(response.status_code, read)
        except requests.exceptions.SSLError:
            return _Outcome(is_untrusted=True)
        except (requests.exceptions.RequestException, OSError):
            return _UNREACHED


def _leave_alone(request: PreparedRequest) -> PreparedRequest:
    """Instead of what a ~/.netrc would put into the place of the token."""
    return request
