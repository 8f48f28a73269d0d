"""The public keys of whoever signs tokens: a JWKS (RFC 7517), read strictly. Pure.

A set that holds anything secret is refused as a whole: whoever published it has lost it. So is one with a key that
can be broken. Keys for encryption, and kinds that are not known here, are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import (
    MAX_JWKS_BYTES,
    MAX_JWKS_KEY_BITS,
    MAX_JWKS_KEYS,
    MAX_JWKS_VALUES,
    MIN_JWKS_KEY_BITS,
)
from ostiary.core.values import dataclass
from ostiary.errors import TOKEN_KEYS_UNUSABLE, IntakeRefused, Misuse

RSA: Final = "RSA"
KIND_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
}
"""What a key has to be for an algorithm to be done with it."""

_SECRET: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]{1,2048}", re.ASCII)
_MAX_KID_CHARACTERS: Final = 256
_MAX_EXPONENT: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One public key."""

    kid: str | None
    kind: str
    algorithm: str | None
    """The only one that it is for, where the set says so."""
    native: Any = field(repr=False, compare=False)


class TokenKeys:
    """All keys of one issuer."""

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        self.keys: Final = tuple(keys)

    def find(self, kid: str | None, algorithm: str) -> TokenKey | None:
        """The key of this name, where it is one for this algorithm; without a name, the only one that is."""
        fit = [
            key
            for key in self.keys
            if key.kind == KIND_OF.get(algorithm)
            and key.algorithm in (None, algorithm)
            and (kid is None or key.kid == kid)
        ]
        return fit[0] if len(fit) == 1 else None

    def knows(self, kid: str | None) -> bool:
        return kid is None or any(key.kid == kid for key in self.keys)


NO_KEYS: Final = TokenKeys(())


def parse_token_keys(data: bytes) -> TokenKeys:
    """Raises Misuse(TOKEN_KEYS_UNUSABLE)."""
    try:
        value = parse_json_object(data, max_bytes=MAX_JWKS_BYTES, max_values=MAX_JWKS_VALUES)
    except IntakeRefused as error:
        raise unusable("they are not strict JSON") from error
    entries = value.get("keys")
    if not isinstance(entries, list):
        raise unusable("they are no JWKS: there is no list `keys`")
    if len(entries) > MAX_JWKS_KEYS:
        raise unusable(f"there are {len(entries)} of them; the ceiling is {int(MAX_JWKS_KEYS)}")
    keys = [key for key in (_parse_key(entry, place) for place, entry in enumerate(entries, 1)) if key is not None]
    named = [key.kid for key in keys if key.kid is not None]
    if len(set(named)) != len(named):
        raise unusable("two of them have one `kid`")
    if not keys:
        raise unusable("none of them is a public key that a signature can be checked with")
    return TokenKeys(keys)


def _parse_key(entry: JsonValue, place: int) -> TokenKey | None:
    """None where it is for something else."""
    if not isinstance(entry, dict):
        raise unusable(f"key {place} is no object")
    kind = entry.get("kty")
    if kind == "oct" or not _SECRET.isdisjoint(entry):
        raise unusable(f"key {place} is secret: it must never be published, and is lost if it was")
    needed = _NEEDED.get(kind) if isinstance(kind, str) else None
    if needed is None or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    members = {name: entry.get(name) for name in needed}
    if not all(isinstance(text, str) and _is_member(name, text) for name, text in members.items()):
        raise unusable(f"key {place} lacks a part, or has one that is none")
    curve = members.get("crv")
    if kind != "RSA" and curve not in KIND_OF.values():
        return None
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not (kid is None or (isinstance(kid, str) and 0 < len(kid) <= _MAX_KID_CHARACTERS)):
        raise unusable(f"key {place} has a `kid` that is no name")
    found = RSA if kind == "RSA" else str(curve)
    if algorithm is not None and (not isinstance(algorithm, str) or KIND_OF.get(algorithm) != found):
        return None  # for encryption, or of a kind to come
    return TokenKey(kid, found, algorithm, _make_key({"kty": kind, **members}, place))


def _is_member(name: str, text: str) -> bool:
    return name == "crv" or _BASE64URL.fullmatch(text) is not None


def _make_key(members: dict[str, Any], place: int) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415  slow to import
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm  # noqa: PLC0415  an extra of its own

    reader: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}[members["kty"]]
    try:
        key = reader.from_jwk(members)
    except Exception as error:  # the library promises no particular kind
        raise unusable(f"key {place} cannot be read") from error
    if isinstance(key, RSAPublicKey):
        if not MIN_JWKS_KEY_BITS <= key.key_size <= MAX_JWKS_KEY_BITS:
            bounds = f"{int(MIN_JWKS_KEY_BITS):,} to {int(MAX_JWKS_KEY_BITS):,}"
            raise unusable(f"key {place} has {key.key_size:,} bits; {bounds} are taken")
        if key.public_numbers().e > _MAX_EXPONENT:
            raise unusable(f"key {place} has an exponent that nobody uses")
    return key


def unusable(what: str) -> Misuse:
    return Misuse(TOKEN_KEYS_UNUSABLE, f"the issuer's keys: {what}")
