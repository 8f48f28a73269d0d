"""Who is at the other end of a connection for gRPC, as far as the library vouches for it."""

from __future__ import annotations

import ssl
from typing import Any, Final

from ostiary.gateway.authenticators import NO_PEER, Peer

_CERTIFICATE: Final = "x509_pem_cert"


def find_peer(context: Any) -> Peer:
    """The certificate whose chain was verified: the library gives none otherwise.

    Which list of issuers it was verified by is not known; such connections do not live long (grpc_server.py).
    """
    found = context.auth_context().get(_CERTIFICATE, ())
    if len(found) != 1 or context.auth_context().get("transport_security_type") != [b"ssl"]:
        return NO_PEER
    return Peer(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")), None)
