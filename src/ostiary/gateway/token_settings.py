"""The settings of bearer tokens that an identity provider signs: [auth.token]."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.core.toml_fields import Table
from ostiary.core.values import dataclass
from ostiary.errors import SETTINGS_MALFORMED, Misuse
from ostiary.gateway.settings import Kind, ServerSetting
from ostiary.gateway.take_setting import take_settings
from ostiary.gateway.tls_settings import parse_tenant

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Signatures by a key that only the issuer has. Those by a shared secret are not among them, and cannot be."""

TOKEN_SETTINGS: Final = (
    ServerSetting("issuer", Kind.TEXT, None, "whose tokens are believed, exactly as their claim `iss` has it"),
    ServerSetting("audience", Kind.TEXTS, None, "for whom a token must be: its claim `aud` has one of these"),
    ServerSetting(
        "algorithms", Kind.TEXTS, ("RS256", "ES256", "EdDSA"), f"how it may be signed: {', '.join(ALGORITHMS)}"
    ),
    ServerSetting("keys", Kind.TEXT, None, "the issuer's public keys, as a JWKS file; read anew when it changes"),
    ServerSetting("keys_url", Kind.TEXT, None, "or the https address to fetch them from, in the background"),
    ServerSetting("keys_ca", Kind.TEXT, None, "who vouches for that address, as a PEM file; else the system"),
    ServerSetting("keys_time", Kind.TIME, 900, "after which they are fetched anew", 60, 86_400),
    ServerSetting("leeway", Kind.TIME, 30, "by which clocks may differ", 0, 300),
    ServerSetting("longest", Kind.TIME, 86_400, "for which a token may be good in all", 60, 2_592_000),
    ServerSetting(
        "tenant", Kind.TEXT, None, "whose limits all tokens count against; else each `sub` is a tenant of its own"
    ),
    ServerSetting("tenant_claim", Kind.TEXT, None, "the claim that names the tenant, in place of `tenant`"),
    ServerSetting("scope_claim", Kind.TEXT, "scope", "the claim that has the scopes, as a text or a list"),
    ServerSetting(
        "scope_prefix",
        Kind.TEXT,
        "ostiary:",
        "what stands before infer, admin and metrics there; a token with none of them may do nothing",
    ),
    ServerSetting(
        "models_claim", Kind.TEXT, None, "the claim that lists the models it may ask; else it may ask all"
    ),
)

_URL: Final = re.compile(r"https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Whose tokens are let in. The fields are those of TOKEN_SETTINGS; a test holds them together."""

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    keys: Path | None = None
    keys_url: str | None = None
    keys_ca: Path | None = None
    keys_time: int = 900
    leeway: int = 30
    longest: int = 86_400
    tenant: str | None = None
    tenant_claim: str | None = None
    scope_claim: str = "scope"
    scope_prefix: str = "ostiary:"
    models_claim: str | None = None


def take_token(table: Table, directory: Path) -> TokenSettings:
    """`directory`: where relative paths in it begin. Raises Misuse(SETTINGS_MALFORMED)."""
    if "keys" in table and "keys_url" in table:
        table.fail("keys_url", "there is keys already", "Name the file or the address, not both.")
    if "keys" not in table and "keys_url" not in table:
        table.fail("keys", "missing", "Name the file with the issuer's public keys, or keys_url.")
    if "keys_ca" in table and "keys_url" not in table:
        table.fail("keys_ca", "there is no keys_url that it could be for")
    if "tenant" in table and "tenant_claim" in table:
        table.fail("tenant_claim", "there is tenant already", "One of them decides.")
    for name in ("issuer", "audience"):
        if name not in table:
            table.fail(name, "missing", "Whose tokens, and for whom, has to be said.")
    parsers = {"algorithms": _parse_algorithm, "keys_url": _parse_url, "tenant": parse_tenant}
    said = take_settings(table, TOKEN_SETTINGS, parsers)
    for name in ("audience", "algorithms"):
        if name in said and not said[name]:
            table.fail(name, "empty", "Name one at least.")
    for place in ("keys", "keys_ca"):
        if place in said:
            said[place] = directory / str(said[place])
    return TokenSettings(**said)  # type: ignore[arg-type]


def _parse_algorithm(text: str) -> str:
    if text not in ALGORITHMS:
        raise Misuse(
            SETTINGS_MALFORMED,
            f"'{quote_untrusted(text, 20)}' is none of {', '.join(ALGORITHMS)}",
            hint="Secrets that are shared, and none at all, are no way to sign here.",
        )
    return text


def _parse_url(text: str) -> str:
    if not _URL.fullmatch(text) or "#" in text or "\\" in text:
        raise Misuse(
            SETTINGS_MALFORMED,
            f"'{quote_untrusted(text, 80)}' is no https address",
            hint="Write it as https://issuer.example/keys, without a name and password.",
        )
    return text
