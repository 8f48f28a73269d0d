"""`ostiary config check`: what the file of settings says, setting by setting, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import textwrap
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

docs/reference/settings.md lists every setting; docs/serve.md, docs/admission.md and docs/limits.md explain them."""


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
    from ostiary.cli.config_tables import list_missing, render_limits, render_models, render_tenants
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
        *render_models(file, _explain),
        *render_tenants(file, _explain),
        *render_limits(rules, _explain),
    ):
        ui.out(line)
    for name, entry in file.models.items():
        for missing in list_missing(entry):
            ui.note(f"ostiary: {quote_untrusted(name)}: {missing}")
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


def render_value(setting: ServerSetting, value: object) -> str:
    """As it would stand in the file."""
    from ostiary.cell.limits_file import SIZES, TIMES, render_amount
    from ostiary.gateway.settings import Kind

    if value is None:
        return "as the machine is"
    if setting.kind is Kind.SIZE and isinstance(value, int):
        return json.dumps(render_amount(value, SIZES).replace(",", ""))
    if setting.kind is Kind.TIME and isinstance(value, int):
        return json.dumps(render_amount(value, TIMES).replace(",", "") if value else "0 s")
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _explain(meaning: str) -> list[str]:
    return textwrap.wrap(meaning, ui.measure_width(), initial_indent="      ", subsequent_indent="      ")


def _describe_limits(limits: TenantLimits) -> dict[str, object]:
    from ostiary.gateway.tenant_settings import TENANT_SETTINGS

    return {setting.name: getattr(limits, setting.name) for setting in TENANT_SETTINGS}


def _describe(file: ServerFile, rules: LimitRules) -> dict[str, object]:
    from ostiary.cli.config_tables import list_tenants
    from ostiary.gateway.settings import SERVER_SETTINGS

    return {
        "verdict": "good",
        "server": {setting.name: getattr(file.server, setting.name) for setting in SERVER_SETTINGS},
        "said": sorted(file.said),
        "tls": file.credentials.tls is not None,
        "clients": sorted(file.credentials.clients),
        "tokens": None if file.credentials.token is None else file.credentials.token.issuer,
        "models": sorted(file.models),
        "tenants": {name: _describe_limits(limits) for name, limits in list_tenants(file)},
        "limits": {"": dict(rules.general)} | {p.text: dict(fields) for p, fields in rules.by_pattern},
    }
