"""The settings of TLS and of clients' certificates: [server.tls] and [clients."NAME"]. Read like all others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ostiary.core.callers import Scope, is_tenant_name
from ostiary.core.limits import MAX_CERTIFIED_CLIENTS, MAX_TENANT_CHARACTERS
from ostiary.core.text import quote_untrusted
from ostiary.core.toml_fields import Table
from ostiary.core.values import dataclass
from ostiary.errors import SETTINGS_MALFORMED, Misuse
from ostiary.gateway.settings import Kind, ModelSetting, ServerSetting
from ostiary.gateway.take_setting import take_settings

TLS_SETTINGS: Final = (
    ServerSetting("certificate", Kind.TEXT, None, "the server's certificate and those above it, as a PEM file"),
    ServerSetting("key", Kind.TEXT, None, "its private key, as a PEM file that nobody else may read"),
    ServerSetting(
        "client_ca",
        Kind.TEXT,
        None,
        "who issues certificates to clients, as a PEM file; else none is asked for",
    ),
    ServerSetting(
        "client_required",
        Kind.FLAG,
        False,
        "whether a connection without a client's certificate ends at once, that for health too; over gRPC "
        "certificates are asked for only then",
    ),
    ServerSetting("version", Kind.TEXT, "1.2", "the oldest version of TLS that is spoken: 1.2 or 1.3"),
    ServerSetting("handshake_time", Kind.TIME, 10, "in which a client must have agreed on the encryption", 1, 120),
    ServerSetting(
        "handshakes",
        Kind.COUNT,
        256,
        "clients that agree on it at once; the oldest gives way",
        1,
        4_096,
    ),
)

CLIENT_SETTINGS: Final = (
    ModelSetting("tenant", Kind.TEXT, "whose limits it counts against; else it is a tenant of its own, NAME"),
    ModelSetting("scopes", Kind.TEXTS, 'what it may do: "infer", "admin", "metrics"; else ["infer"]'),
    ModelSetting("models", Kind.TEXTS, "the models that it may ask; else all"),
)

CLIENT_NAME: Final = re.compile(r"(dns:[^ ]+|uri:[^ ]+|email:[^ ]+|subject:.+|sha256:[0-9a-f]{64})", re.ASCII)
_SCOPES: Final = {scope.value: scope for scope in Scope}
_VERSIONS: Final = ("1.2", "1.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How connections are encrypted. The fields are those of TLS_SETTINGS; a test holds them together."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_required: bool = False
    version: str = "1.2"
    handshake_time: int = 10
    handshakes: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEntry:
    """Whom a client's certificate is for."""

    tenant: str
    scopes: frozenset[Scope] = frozenset({Scope.INFER})
    models: frozenset[str] | None = None


def take_tls(table: Table, directory: Path) -> TlsSettings:
    """`directory`: where relative paths in it begin. Raises Misuse(SETTINGS_MALFORMED)."""
    for name in ("certificate", "key"):
        if name not in table:
            table.fail(name, "missing", "TLS needs both: the certificate, and its private key.")
    if "client_required" in table and "client_ca" not in table:
        table.fail("client_ca", "missing", "Name who issues the certificates that clients have to show.")
    said = take_settings(table, TLS_SETTINGS, {"version": _parse_version})
    for place in ("certificate", "key", "client_ca"):
        if place in said:
            said[place] = directory / str(said[place])
    return TlsSettings(**said)  # type: ignore[arg-type]


def take_clients(table: Table) -> Mapping[str, ClientEntry]:
    """By the names that certificates have. Raises Misuse(SETTINGS_MALFORMED)."""
    clients = {}
    for name, fields in table.take_named_tables(MAX_CERTIFIED_CLIENTS).items():
        if not CLIENT_NAME.fullmatch(name):
            hint = 'Write "dns:NAME", "uri:URI", "email:ADDRESS", "subject:CN=...,O=..." or "sha256:FINGERPRINT".'
            table.fail(name, "no name that a certificate can have", hint)
        said = take_settings(fields, CLIENT_SETTINGS, {"tenant": parse_tenant, "scopes": parse_scope})
        scopes = frozenset(_SCOPES[word] for word in _texts(said, "scopes") or ("infer",))
        models = _texts(said, "models")
        tenant = str(said.get("tenant", name))
        if not is_tenant_name(tenant):
            fields.fail("tenant", "missing", "This name cannot be that of a tenant, too.")
        clients[name] = ClientEntry(
            tenant=tenant, scopes=scopes, models=None if models is None else frozenset(models)
        )
    return clients


def parse_tenant(text: str) -> str:
    if not is_tenant_name(text):
        raise Misuse(
            SETTINGS_MALFORMED,
            f"'{quote_untrusted(text, 60)}' is no name of a tenant",
            hint=f"Letters, digits and a few signs between them, at most {int(MAX_TENANT_CHARACTERS)}.",
        )
    return text


def parse_scope(text: str) -> str:
    if text not in _SCOPES:
        raise Misuse(
            SETTINGS_MALFORMED,
            f"'{quote_untrusted(text, 40)}' is none of {', '.join(_SCOPES)}",
            hint="docs/admission.md says what each allows.",
        )
    return text


def _parse_version(text: str) -> str:
    if text not in _VERSIONS:
        raise Misuse(
            SETTINGS_MALFORMED,
            f"'{quote_untrusted(text, 20)}' is none of {', '.join(_VERSIONS)}",
            hint="Older versions of TLS are broken and not spoken.",
        )
    return text


def _texts(said: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    found = said.get(name)
    return found if isinstance(found, tuple) else None
