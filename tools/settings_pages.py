"""The pages of the file of settings, made of the tables that it is read by. `generate_docs.py` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ostiary.cell.limits_file import SETTINGS, render_amount
from ostiary.cli.config import render_value
from ostiary.core.limits import (
    MAX_SERVED_NAME_CHARACTERS,
    MAX_SERVER_TEXT_CHARACTERS,
    MAX_SETTING_TENANTS,
    MAX_TENANT_CHARACTERS,
    MAX_TOML_LIST_ITEMS,
)
from ostiary.gateway.settings import MODEL_SETTINGS, SERVER_SETTINGS, Kind, ModelSetting, ServerSetting
from ostiary.gateway.tenant_settings import TENANT_SETTINGS
from ostiary.gateway.tls_settings import CLIENT_NAME, CLIENT_SETTINGS, TLS_SETTINGS
from ostiary.gateway.token_settings import TOKEN_SETTINGS

SCHEMA: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "config.schema.json"
_TENANT: Final = f"^[A-Za-z0-9](?:[A-Za-z0-9._:@=,/+ -]{{0,{MAX_TENANT_CHARACTERS - 2}}}[A-Za-z0-9._:@=,/+-])?$"
_NAME: Final = f"^[A-Za-z0-9][A-Za-z0-9._:/-]{{0,{MAX_SERVED_NAME_CHARACTERS - 1}}}$"


def render_settings(header: str) -> str:
    lines = [
        header,
        "# Settings",
        "",
        "The file `ostiary.toml`: where `--config` or `OSTIARY_CONFIG` says, else in the user's own configuration.",
        "`ostiary config check` reads it as the server would and explains each setting and each mistake;",
        "[config.schema.json](config.schema.json) says the same to an editor.",
        "",
        "## [server]",
        "",
        "How `ostiary serve` is reached, and what a client may cost ([serve.md](../serve.md)).",
        "",
        "| setting | default | what it is | bounds |",
        "| --- | --- | --- | --- |",
    ]
    for setting in SERVER_SETTINGS:
        default = render_value(setting, setting.default)
        lines.append(f"| `{setting.name}` | `{default}` | {setting.meaning} | {_render_bounds(setting)} |")
    lines += [
        "",
        "## [server.tls]",
        "",
        "Encrypted connections, for HTTP and gRPC ([admission.md](../admission.md#tls-and-certificates)). The",
        "files are looked at every second: new ones that are good are taken, with others the old are kept.",
        "",
        *_render_settings(TLS_SETTINGS),
        "",
        '## [clients."NAME"]',
        "",
        "Whom a client's certificate is for. NAME is one that it has: `dns:`, `uri:`, `email:`, `subject:` with",
        "the whole subject as RFC 4514 writes it, or `sha256:` with its fingerprint.",
        "",
        "| setting | what it is | how it is written |",
        "| --- | --- | --- |",
        *(f"| `{one.name}` | {one.meaning} | {one.kind.value} |" for one in CLIENT_SETTINGS),
        "",
        "## [auth.token]",
        "",
        "Signed tokens (JWT) of an identity provider ([admission.md](../admission.md#tokens)).",
        "",
        *_render_settings(TOKEN_SETTINGS),
    ]
    lines += [
        "",
        '## [models."NAME"]',
        "",
        "A model that is served beside those of the command line, under NAME.",
        "",
        "| setting | what it is | how it is written |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{one.name}` | {one.meaning} | {one.kind.value} |" for one in MODEL_SETTINGS]
    lines += [
        "",
        "## [tenants.NAME]",
        "",
        "What a tenant may use ([admission.md](../admission.md#tenants-and-quotas)). `[tenants.default]` is for",
        "each that has no table of its own, and for what another's does not say. What nobody says has no limit.",
        "",
        "| setting | what it is | bounds |",
        "| --- | --- | --- |",
        *(f"| `{one.name}` | {one.meaning} | {one.least:,} to {one.most:,} |" for one in TENANT_SETTINGS),
        "",
        "## [limits]",
        "",
        "What models may use, for all and by patterns of model ids. [limits.md](../limits.md) explains each, and",
        "what it is where the file does not say it.",
        "",
        "| setting | what it limits | bounds |",
        "| --- | --- | --- |",
    ]
    for limit in SETTINGS:
        bounds = [
            f"{bound:,}" if limit.units is None else render_amount(bound, limit.units)
            for bound in (limit.least, limit.most)
        ]
        lines.append(f"| `{limit.name}` | {limit.meaning} | {bounds[0]} to {bounds[1]} |")
    return "\n".join(lines) + "\n"


def _render_settings(settings: Iterable[ServerSetting]) -> list[str]:
    lines = ["| setting | default | what it is | bounds |", "| --- | --- | --- | --- |"]
    for setting in settings:
        default = "-" if setting.default is None else f"`{render_value(setting, setting.default)}`"
        lines.append(f"| `{setting.name}` | {default} | {setting.meaning} | {_render_bounds(setting)} |")
    return lines


def _describe_table(
    description: str, settings: Iterable[ServerSetting | ModelSetting], *required: str
) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
        "properties": {setting.name: _describe(setting) for setting in settings},
    }


def render_config_schema() -> str:
    """The part on limits is written by hand, and held by a test; the rest is made anew."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"] = {
        "limits": schema["properties"]["limits"],
        "server": {
            "description": "how the server is reached, and what a client may cost",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                **{setting.name: _describe(setting) for setting in SERVER_SETTINGS},
                "tls": _describe_table("encrypted connections", TLS_SETTINGS, "certificate", "key"),
            },
        },
        "clients": {
            "description": "whom the certificates of clients are for, by the names in them",
            "type": "object",
            "propertyNames": {"pattern": f"^{CLIENT_NAME.pattern}$"},
            "additionalProperties": _describe_table("one client", CLIENT_SETTINGS),
        },
        "auth": {
            "description": "ways to show who asks, beside keys",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "token": _describe_table("signed tokens", TOKEN_SETTINGS, "issuer", "audience")
                | {"oneOf": [{"required": ["keys"]}, {"required": ["keys_url"]}]}
            },
        },
        "tenants": {
            "description": "what tenants may use, by their names; `default` is for all others",
            "type": "object",
            "maxProperties": int(MAX_SETTING_TENANTS),
            "propertyNames": {"pattern": _TENANT},
            "additionalProperties": _describe_table("one tenant", TENANT_SETTINGS),
        },
        "models": {
            "description": "models to serve, by the names that requests call them",
            "type": "object",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path"],
                "properties": {setting.name: _describe(setting) for setting in MODEL_SETTINGS},
            },
        },
    }
    return json.dumps(schema, indent=2) + "\n"


def _render_bounds(setting: ServerSetting) -> str:
    if setting.kind is Kind.COUNT:
        return f"{setting.least:,} to {setting.most:,}"
    if setting.kind in (Kind.SIZE, Kind.TIME):
        bounds = [render_value(setting, bound).strip('"') for bound in (setting.least, setting.most)]
        return " to ".join(bounds)
    return str(setting.kind.value)


def _describe(setting: ServerSetting | ModelSetting) -> dict[str, Any]:
    said: dict[str, Any] = {"description": setting.meaning}
    if setting.kind is Kind.COUNT:
        return said | {"type": "integer", "minimum": setting.least, "maximum": setting.most}
    if setting.kind is Kind.FLAG:
        return said | {"type": "boolean"}
    if setting.kind is Kind.SIZE:
        return said | {"$ref": "#/$defs/size"}
    if setting.kind is Kind.TIME:
        return said | {"$ref": "#/$defs/time"}
    text = {"type": "string", "minLength": 1, "maxLength": int(MAX_SERVER_TEXT_CHARACTERS)}
    if setting.kind is Kind.TEXT:
        return said | text
    return said | {"type": "array", "uniqueItems": True, "maxItems": int(MAX_TOML_LIST_ITEMS), "items": text}
