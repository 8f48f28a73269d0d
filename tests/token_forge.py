"""Signed tokens for tests, honest and not. Written without the library that checks them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.gateway.token_settings import TokenSettings

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
RULES = TokenSettings(issuer=ISSUER, audience=("models",), tenant="acme", keys_url="https://issuer.example/keys")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "models",
    "sub": "alice",
    "exp": int(NOW) + 600,
    "iat": int(NOW) - 10,
    "scope": "openid ostiary:infer",
}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_number(number: int, length: int | None = None) -> str:
    return encode(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Signer:
    """A private key, and how it signs."""

    native: Any
    algorithm: str
    kid: str = "one"

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.native.public_key()
        about = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": encode_number(numbers.n), "e": encode_number(numbers.e), **about}
        if isinstance(public, ed25519.Ed25519PublicKey):
            return {"kty": "OKP", "crv": "Ed25519", "x": encode(public.public_bytes_raw()), **about}
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        curve = next(name for name, one in _CURVES.items() if one.name == public.curve.name)
        return {
            "kty": "EC",
            "crv": curve,
            "x": encode_number(point.x, size),
            "y": encode_number(point.y, size),
            **about,
        }

    @property
    def pem(self) -> bytes:
        public: bytes = self.native.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return public

    def sign(self, data: bytes) -> bytes:
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}.get(self.algorithm[-3:])
        if self.algorithm == "EdDSA":
            return bytes(self.native.sign(data))
        if self.algorithm.startswith("ES"):
            r, s = decode_dss_signature(self.native.sign(data, ec.ECDSA(digest)))
            size = (self.native.key_size + 7) // 8
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if self.algorithm.startswith("PS"):
            assert digest is not None
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return bytes(self.native.sign(data, pss, digest))
        return bytes(self.native.sign(data, padding.PKCS1v15(), digest))

    def make(self, claims: Mapping[str, Any] = CLAIMS, **head: Any) -> str:
        """A head of None leaves a name out."""
        named = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **head}
        return self.make_raw(
            json.dumps({name: value for name, value in named.items() if value is not None}).encode(),
            json.dumps(claims).encode(),
        )

    def make_raw(self, head: bytes, claims: bytes) -> str:
        signed = f"{encode(head)}.{encode(claims)}"
        return f"{signed}.{encode(self.sign(signed.encode()))}"


@cache
def make_signer(algorithm: str, kid: str = "one", bits: int = 2_048) -> Signer:
    if algorithm == "EdDSA":
        return Signer(ed25519.Ed25519PrivateKey.generate(), algorithm, kid)
    if algorithm.startswith("ES"):
        curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
        return Signer(ec.generate_private_key(_CURVES[curve]), algorithm, kid)
    return Signer(rsa.generate_private_key(65_537, bits), algorithm, kid)


def make_set(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.jwk for signer in signers]}).encode()


def sign_with_secret(secret: bytes, head: Mapping[str, Any], claims: Mapping[str, Any] = CLAIMS) -> str:
    """HS256, as an attacker does it with a key that everybody knows."""
    signed = f"{encode(json.dumps(head).encode())}.{encode(json.dumps(claims).encode())}"
    made = hmac.HMAC(secret, hashes.SHA256())
    made.update(signed.encode())
    return f"{signed}.{encode(made.finalize())}"
