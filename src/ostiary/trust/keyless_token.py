"""Identity tokens: what an identity provider says of whoever signs (OpenID Connect Core 1.0, section 2). Pure.

A token is a secret for as long as it holds: with it anybody signs as its owner. Its text is in one field that no
`repr` shows, and no message here holds a part of it. Its signature is not checked: that is for the certificate
authority, which alone acts on it. What is read here is who the certificate will name, and when the token ends.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from ostiary.core.limits import MAX_IDENTITY_TOKEN_BYTES, MAX_TOKEN_VALUES
from ostiary.core.values import dataclass
from ostiary.errors import KEY_UNUSABLE, Misuse, TrustRefused
from ostiary.trust.json_fields import JsonObject, parse_object

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_MAX_IDENTITY_CHARACTERS: Final = 1_024
_CLOCK_SKEW: Final = timedelta(minutes=1)
_YEAR_9999: Final = 253_402_300_799
_FRESH: Final = "Get a fresh one from the identity provider; most hold for a few minutes."
# What Fulcio puts into the certificate instead of `sub` (github.com/sigstore/fulcio, config/identity/config.yaml).
_BUILD_SERVICES: Final = {"job_workflow_ref": "https://github.com/", "ci_config_ref_uri": "https://"}


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """A token, and what it says."""

    raw: str = field(repr=False)
    identity: str
    """Whom a certificate will name."""
    issuers: tuple[str, ...]
    """Who may stand in the certificate as the one who knows them, the likeliest first."""
    begins_at: datetime
    ends_at: datetime


def parse_identity_token(raw: str, audience: str, expected: str | None = None) -> IdentityToken:
    """The token in `raw`. `expected` is whom the certificate must name where the token alone does not tell."""
    if len(raw) > MAX_IDENTITY_TOKEN_BYTES:
        _refuse(f"is longer than {int(MAX_IDENTITY_TOKEN_BYTES)} characters")
    claims = _read_claims(raw)
    if claims is None:
        _refuse("is not one", "It is three parts of base64url joined by dots (a JSON Web Token).")
    meant_for = claims.get("aud")
    if audience not in (meant_for if isinstance(meant_for, list) else [meant_for]):
        _refuse("is meant for another audience", "Ask the provider for one for 'sigstore', or name --client-id.")
    identity = expected or _find_identity(claims)
    if identity is None:
        _refuse("does not say whose it is", "Name whom the certificate must name with --identity.")
    return IdentityToken(
        raw, identity, _find_issuers(claims), _take_moment(claims, "nbf"), _take_moment(claims, "exp")
    )


def check_token_current(token: IdentityToken, now: datetime) -> None:
    """Returns while the token holds; its clock and ours may differ a little."""
    if now >= token.ends_at:
        _refuse("has expired", _FRESH)
    if now + _CLOCK_SKEW < token.begins_at:
        _refuse("does not hold yet", "Check this machine's clock.")


def _read_claims(raw: str) -> JsonObject | None:
    """None for whatever is wrong: a parser's complaint would quote the token."""
    found = _TOKEN.fullmatch(raw)
    if found is None:
        return None
    try:
        payload = urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4))
        return parse_object(payload, "the token", MAX_IDENTITY_TOKEN_BYTES, MAX_TOKEN_VALUES)
    except (ValueError, TrustRefused):
        return None


def _find_identity(claims: JsonObject) -> str | None:
    for name, prefix in _BUILD_SERVICES.items():
        named = claims.get(name)
        if isinstance(named, str) and named:
            return _check_identity(f"{prefix}{named}")
    for name in ("email", "sub"):
        named = claims.get(name)
        if isinstance(named, str) and named:
            return _check_identity(named)
    return None


def _check_identity(identity: str) -> str:
    if len(identity) > _MAX_IDENTITY_CHARACTERS:
        _refuse("names somebody with too long a name")
    return identity


def _find_issuers(claims: JsonObject) -> tuple[str, ...]:
    """A provider that asks another one (Dex) says whom; which of the two is certified is the authority's choice."""
    found: list[str] = []
    federated = claims.get("federated_claims")
    if isinstance(federated, dict) and isinstance(federated.get("connector_id"), str):
        found.append(str(federated["connector_id"]))
    if isinstance(claims.get("iss"), str):
        found.append(str(claims["iss"]))
    issuers = tuple(dict.fromkeys(issuer for issuer in found if issuer))
    if not issuers or any(len(issuer) > _MAX_IDENTITY_CHARACTERS for issuer in issuers):
        _refuse("does not say who made it")
    return issuers


def _take_moment(claims: JsonObject, name: str) -> datetime:
    """`exp` must be there; without `nbf` a token holds from the first."""
    value = claims.get(name, 0 if name == "nbf" else None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _YEAR_9999:
        _refuse("does not say when it ends")
    return datetime.fromtimestamp(value, UTC)


def _refuse(what: str, hint: str = _FRESH) -> NoReturn:
    raise Misuse(KEY_UNUSABLE, f"the identity token {what}", hint=hint)
