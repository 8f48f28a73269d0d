"""The pages of the file of settings, made of the tables that it is read by. `generate_docs.py` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ostiary.cell.limits_file import SETTINGS, render_amount
from ostiary.cli.config import render_value
from ostiary.core.limits import MAX_SERVED_NAME_CHARACTERS, MAX_SERVER_TEXT_CHARACTERS, MAX_TOML_LIST_ITEMS
from ostiary.gateway.settings import MODEL_SETTINGS, SERVER_SETTINGS, Kind, ModelSetting, ServerSetting

SCHEMA: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "config.schema.json"
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
        "## [limits]",
        "",
        "What models may use, for all and by patterns of model ids. [limits.md](../limits.md) explains each, and",
        "what it is where the file does not say it.",
        "",
        "| setting | bounds |",
        "| --- | --- |",
    ]
    for limit in SETTINGS:
        bounds = [
            f"{bound:,}" if limit.units is None else render_amount(bound, limit.units)
            for bound in (limit.least, limit.most)
        ]
        lines.append(f"| `{limit.name}` | {bounds[0]} to {bounds[1]} |")
    return "\n".join(lines) + "\n"


def render_config_schema() -> str:
    """The part on limits is written by hand, and held by a test; the rest is made anew."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"] = {
        "limits": schema["properties"]["limits"],
        "server": {
            "description": "how the server is reached, and what a client may cost",
            "type": "object",
            "additionalProperties": False,
            "properties": {setting.name: _describe(setting) for setting in SERVER_SETTINGS},
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
