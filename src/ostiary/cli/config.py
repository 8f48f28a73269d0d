"""`ostiary config check`: what the file of settings says, setting by setting, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option
from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from ostiary.admission.tenants import TenantLimits
    from ostiary.cell.limits_file import LimitRules
    from ostiary.gateway.settings import ServerFile, ServerSetting

_DESCRIPTION: Final = """\
The file of settings: limits of models, the server, and the models that it serves.

docs/reference/settings.md lists every setting; docs/limits.md and docs/serve.md explain them."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=type(parser))
    summary = "read the file as the server would, and explain every setting and every mistake"
    check = verbs.add_parser("check", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    check.add_argument("--config", metavar="FILE", type=Path, help="the file of settings (OSTIARY_CONFIG)")
    check.add_argument("--json", action="store_true", help="for machines")
    add_debug_option(check, argparse.SUPPRESS)
    check.set_defaults(run=_run_check)


def _run_check(options: argparse.Namespace) -> int:
    from ostiary.cell.read_settings import find_settings_path, load_limit_rules, read_settings_bytes
    from ostiary.cli.config_credentials import render_credentials
    from ostiary.gateway.listen import check_protection
    from ostiary.gateway.settings_file import load_server_file

    data = read_settings_bytes(options.config)
    is_there = data is not None
    if data is not None:
        _check_mistakes(data, find_settings_path(options.config))
    rules = load_limit_rules(options.config)
    file = load_server_file(options.config)
    check_protection(file.server, file.credentials)
    credentials = render_credentials(file.server, file.credentials, _explain)
    name = quote_untrusted(find_settings_path(options.config).name)
    if options.json:
        ui.out(json.dumps(_describe(file, rules), indent=2))
        return 0
    ui.out(f"{name}: good" if is_there else f"there is no {name}: everything is as by default")
    for line in (
        *_render_server(file),
        *credentials,
        *_render_models(file),
        *_render_tenants(file),
        *_render_limits(rules),
    ):
        ui.out(line)
    return 0


def _check_mistakes(data: bytes, path: Path) -> None:
    """Tells all but the last, and raises that one."""
    from ostiary.cli.error_text import render_error
    from ostiary.gateway.settings_mistakes import find_mistakes

    *others, last = find_mistakes(data, path.name, path.absolute().parent) or (None,)
    for mistake in others:
        if mistake is not None:
            ui.note(render_error(mistake))
    if last is not None:
        raise last


def _render_server(file: ServerFile) -> list[str]:
    from ostiary.gateway.settings import SERVER_SETTINGS

    lines = ["", "[server]"]
    for setting in SERVER_SETTINGS:
        value = render_value(setting, getattr(file.server, setting.name))
        source = "" if setting.name in file.said else "  (default)"
        lines.append(f"  {setting.name} = {value}{source}")
        lines += _explain(setting.meaning)
    return lines


def _render_models(file: ServerFile) -> list[str]:
    lines = []
    for name, entry in file.models.items():
        lines += ["", f"[models.{json.dumps(name)}]", f"  path = {quote_untrusted(str(entry.path), 400)}"]
        lines += _explain(
            "the model directory" if entry.path.is_dir() else "the model directory, which is NOT THERE"
        )
        for key in entry.key:
            lines.append(f"  key = {quote_untrusted(str(key), 400)}")
            lines += _explain("a public key to believe" if key.is_file() else "a public key, which is NOT THERE")
        others = {"policy": entry.policy, "id": entry.id, "adapter": entry.adapter}
        lines += [f"  {word} = {quote_untrusted(str(value), 400)}" for word, value in others.items() if value]
        if entry.context_tokens is not None:
            lines.append(f"  context_tokens = {entry.context_tokens}")
        lines += [f"  load = {json.dumps(entry.load)}", f"  workers = {entry.workers}"]
        when = "when the server starts" if entry.load == "start" else "when somebody first asks it"
        processes = (
            "one process" if entry.workers == 1 else f"{entry.workers} processes, each with memory of its own"
        )
        lines += _explain(f"loaded {when}; {processes}")
    return lines


def _render_tenants(file: ServerFile) -> list[str]:
    """Each with all that holds for it, also what is said by default."""
    from ostiary.gateway.tenant_settings import TENANT_SETTINGS

    lines = []
    for name, limits in _list_tenants(file):
        lines += ["", f"[tenants.{json.dumps(name)}]"]
        for setting in TENANT_SETTINGS:
            value = getattr(limits, setting.name)
            lines.append(f"  {setting.name} = {value}" if value is not None else f"  no limit of {setting.name}")
            lines += _explain(setting.meaning)
    return lines


def _list_tenants(file: ServerFile) -> list[tuple[str, TenantLimits]]:
    from ostiary.core.callers import DEFAULT_TENANT

    return [(DEFAULT_TENANT, file.tenants.usual), *sorted(file.tenants.by_name.items())]


def _describe_limits(limits: TenantLimits) -> dict[str, object]:
    from ostiary.gateway.tenant_settings import TENANT_SETTINGS

    return {setting.name: getattr(limits, setting.name) for setting in TENANT_SETTINGS}


def _render_limits(rules: LimitRules) -> list[str]:
    lines = []
    tables = [("", rules.general), *((pattern.text, fields) for pattern, fields in rules.by_pattern)]
    for name, fields in tables:
        if fields:
            lines += ["", f"[limits.{json.dumps(name)}]" if name else "[limits]"]
            lines += [f"  {text}" for text in _render_fields(fields)]
    return lines


def _render_fields(fields: Mapping[str, int]) -> list[str]:
    from ostiary.cell.limits_file import SETTINGS, render_amount

    lines = []
    for setting in SETTINGS:
        if setting.field in fields:
            value = fields[setting.field]
            lines.append(
                f"{setting.name} = {value if setting.units is None else render_amount(value, setting.units)}"
            )
    return lines


def render_value(setting: ServerSetting, value: object) -> str:
    """As it would stand in the file."""
    from ostiary.cell.limits_file import SIZES, TIMES, render_amount
    from ostiary.gateway.settings import Kind

    if value is None:
        return "as the machine is"
    if setting.kind is Kind.SIZE and isinstance(value, int):
        return json.dumps(render_amount(value, SIZES))
    if setting.kind is Kind.TIME and isinstance(value, int):
        return json.dumps(render_amount(value, TIMES) if value else "0 s")
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _explain(meaning: str) -> list[str]:
    return textwrap.wrap(meaning, ui.measure_width(), initial_indent="      ", subsequent_indent="      ")


def _describe(file: ServerFile, rules: LimitRules) -> dict[str, object]:
    from ostiary.gateway.settings import SERVER_SETTINGS

    return {
        "verdict": "good",
        "server": {setting.name: getattr(file.server, setting.name) for setting in SERVER_SETTINGS},
        "said": sorted(file.said),
        "tls": file.credentials.tls is not None,
        "clients": sorted(file.credentials.clients),
        "tokens": None if file.credentials.token is None else file.credentials.token.issuer,
        "models": sorted(file.models),
        "tenants": {name: _describe_limits(limits) for name, limits in _list_tenants(file)},
        "limits": {"": dict(rules.general)} | {p.text: dict(fields) for p, fields in rules.by_pattern},
    }
