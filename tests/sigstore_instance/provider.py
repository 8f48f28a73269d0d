"""The identity provider: tokens, and the few pages of a login that a browser would show."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from sigstore_instance.authority import make_native

ISSUER = "https://login.acme.example"
IDENTITY = "release@acme.example"


class IdentityProvider:
    """Signs tokens (RFC 7519, ES256) and knows its own again."""

    def __init__(self, number: int = 3) -> None:
        self.key = make_native(number)
        self.codes: dict[str, dict[str, str]] = {}

    def make_token(self, **changed: Any) -> str:
        """A token for `IDENTITY`; a claim that is None is left out."""
        now = int(datetime.now(UTC).timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": "sigstore",
            "sub": "CgY3MTM4MjM",
            "email": IDENTITY,
            "email_verified": True,
            "iat": now - 5,
            "exp": now + 300,
        }
        claims.update(changed)
        claims = {name: value for name, value in claims.items() if value is not None}
        head = _encode(json.dumps({"alg": "ES256", "typ": "JWT"}).encode())
        body = f"{head}.{_encode(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{body}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def read_token(self, token: str) -> dict[str, Any] | None:
        """The claims, or None where the token is not one of ours that still holds."""
        body, _, signature = token.rpartition(".")
        raw = urlsafe_b64decode(signature + "==")
        encoded = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        try:
            self.key.public_key().verify(encoded, body.encode(), ec.ECDSA(hashes.SHA256()))
        except Exception:  # noqa: BLE001  whatever is wrong with it
            return None
        claims: dict[str, Any] = json.loads(urlsafe_b64decode(body.partition(".")[2] + "=="))
        return claims if claims["exp"] > datetime.now(UTC).timestamp() else None

    def describe(self, base: str) -> dict[str, str]:
        return {"issuer": ISSUER, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"}

    def authorize(self, query: str) -> tuple[str, str]:
        """The page behind which somebody logs in: the code, and the address that the browser goes back to."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return code, f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: str) -> dict[str, str]:
        given = {name: values[0] for name, values in parse_qs(form).items()}
        asked = self.codes.pop(given["code"])
        proof = _encode(hashlib.sha256(given["code_verifier"].encode()).digest())
        assert (proof, given["redirect_uri"]) == (asked["code_challenge"], asked["redirect_uri"])
        return {"access_token": self.make_token(), "token_type": "bearer"}


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
