"""Fetches an issuer's keys from the https address that an operator named: within time and size, no redirects.

Nothing that a client sends decides where to or how often. Proxies of the environment are not used.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ostiary.core.limits import MAX_JWKS_BYTES, MAX_JWKS_MS
from ostiary.gateway.token_keys import unusable

_PORT: Final = 443
_HEAD_BYTES: Final = 65_536
_READ_BYTES: Final = 65_536


def fetch_keys(url: str, authority: Path | None, deadline_ms: int = MAX_JWKS_MS) -> bytes:
    """The body of the answer. Raises Misuse(TOKEN_KEYS_UNUSABLE)."""
    deadline = time.monotonic() + deadline_ms / 1000
    try:
        data = _exchange(url, authority, deadline)
        return _read_body(data)
    except TimeoutError as error:
        raise unusable("their address did not answer in time") from error
    except ssl.SSLCertVerificationError as error:
        raise unusable("the certificate of their address is not vouched for by keys_ca, or the system") from error
    except ssl.SSLError as error:
        raise unusable("their address does not speak TLS as it has to") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise unusable("their address cannot be reached, or does not answer in HTTP") from error


def _exchange(url: str, authority: Path | None, deadline: float) -> bytes:
    """All that comes back, of one connection."""
    place = urlsplit(url)
    host, port = str(place.hostname), place.port or _PORT
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    head = (
        f"GET {target} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept: application/jwk-set+json, application/json\r\n"
        "User-Agent: ostiary\r\nConnection: close\r\n\r\n"
    )
    with (
        socket.create_connection((host, port), timeout=_left(deadline)) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.settimeout(_left(deadline))
        connection.sendall(head.encode("ascii"))
        data = bytearray()
        while len(data) <= MAX_JWKS_BYTES + _HEAD_BYTES:
            connection.settimeout(_left(deadline))
            part = connection.recv(_READ_BYTES)
            if not part:
                return bytes(data)
            data += part
    raise unusable("their address answers with more bytes than any such set has")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Received:
    """What `http.client` reads an answer from."""

    def __init__(self, data: bytes) -> None:
        self._data: Final = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _read_body(data: bytes) -> bytes:
    answer = http.client.HTTPResponse(_Received(data), method="GET")  # type: ignore[arg-type]
    try:
        answer.begin()
        if answer.status != http.HTTPStatus.OK:
            raise unusable(f"their address answers with status {answer.status}")
        body = answer.read(MAX_JWKS_BYTES + 1)
        if answer.length and len(body) <= MAX_JWKS_BYTES:
            raise http.client.IncompleteRead(b"", answer.length)
    finally:
        answer.close()
    if len(body) > MAX_JWKS_BYTES:
        raise unusable("their address answers with more bytes than any such set has")
    return body
