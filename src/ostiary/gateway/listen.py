"""The socket that the server listens at, and the descriptors that its connections need."""

from __future__ import annotations

import resource
import socket
from typing import Final

from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import SERVER_NOT_LISTENING, SERVER_UNPROTECTED, TLS_UNUSABLE, Misuse, ServerFailed
from ostiary.gateway.credential_settings import NO_CREDENTIALS, CredentialSettings
from ostiary.gateway.origins import is_loopback
from ostiary.gateway.settings import Server

_OWN_DESCRIPTORS: Final = 256
"""For models, workers, the record and the program itself."""


def check_protection(server: Server, credentials: CredentialSettings = NO_CREDENTIALS) -> None:
    """Raises Misuse where others could ask and nobody knew who they are, or TLS would not be as it is said."""
    _check_address(server.host, server, credentials)
    if server.grpc_port and credentials.tls is not None and credentials.tls.version != "1.2":
        hint = "Offer no gRPC, or let it be 1.2."
        raise Misuse(TLS_UNUSABLE, "TLS: gRPC cannot be held to version 1.3", hint=hint)


def check_bound(bound: socket.socket, server: Server, credentials: CredentialSettings = NO_CREDENTIALS) -> None:
    """Of the address that was found for the name, which need not be loopback's though the name be `localhost`."""
    _check_address(bound.getsockname()[0], server, credentials)


def bind_socket(host: str, port: int) -> socket.socket:
    """Bound, not listening yet: an address that is taken shows before a model is loaded. Raises ServerFailed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _not_listening(host, port, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _not_listening(host, port, error) from error
    return bound


def render_address(bound: socket.socket, *, is_encrypted: bool = False) -> str:
    """As an URL."""
    host, port = bound.getsockname()[:2]
    return f"{'https' if is_encrypted else 'http'}://{render_authority(host, port)}"


def render_authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def allow_descriptors(connections: int, handshakes: int = 0, *, has_grpc: bool = False) -> int:
    """As many connections as the system lets this process have, at most `connections`.

    `handshakes`: so many more that are not encrypted yet. `has_grpc`: its port has as many connections again, so
    that a crowd at one port leaves the other its own.
    """
    ports = 2 if has_grpc else 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    own = _OWN_DESCRIPTORS + handshakes
    wanted = ports * connections + own
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = connections if soft == resource.RLIM_INFINITY else (soft - own) // ports
    return max(1, min(connections, room))


def _check_address(host: str, server: Server, credentials: CredentialSettings) -> None:
    if not server.keys and not credentials.tell_who_asks and not is_loopback(host):
        what = "without keys, tokens or certificates of clients"
        raise Misuse(SERVER_UNPROTECTED, f"{what} it may listen on loopback only, not at {_show(host)}")


def _not_listening(host: str, port: int, error: OSError) -> ServerFailed:
    reason = "there is no such address" if isinstance(error, socket.gaierror) else explain_os_error(error)
    return ServerFailed(SERVER_NOT_LISTENING, f"{_show(host)}, port {port}: {reason}")


def _show(host: str) -> str:
    return quote_untrusted(host, 80)
