"""What `ostiary config check` says of models, tenants and limits: each setting, whether or not the file has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from ostiary.admission.tenants import TenantLimits
    from ostiary.cell.limits_file import LimitRules
    from ostiary.gateway.settings import ModelEntry, ModelSetting, ServerFile, ServerSetting

Explain = Callable[[str], list[str]]
_TEXT_CHARACTERS: Final = 400


def explain_absent(
    heading: str, why: str, settings: Iterable[ServerSetting | ModelSetting], explain: Explain
) -> list[str]:
    """A table that the file does not have, with what could stand in it."""
    lines = ["", f"{heading}  (not in the file)", *explain(why)]
    for setting in settings:
        lines += [f"  {setting.name}", *explain(setting.meaning)]
    return lines


def render_models(file: ServerFile, explain: Explain) -> list[str]:
    from ostiary.gateway.settings import MODEL_SETTINGS

    if not file.models:
        why = "only the models of the command line are served"
        return explain_absent('[models."NAME"]', why, MODEL_SETTINGS, explain)
    lines = []
    for name, entry in file.models.items():
        lines += ["", f"[models.{json.dumps(name)}]"]
        for setting in MODEL_SETTINGS:
            shown = _show_model_setting(entry, setting.name)
            lines.append(f"  {setting.name}  (not set)" if shown is None else f"  {setting.name} = {shown}")
            lines += explain(setting.meaning)
        lines += [line for text in list_missing(entry) for line in explain(text)]
    return lines


def _show_model_setting(entry: ModelEntry, name: str) -> str | None:
    value = getattr(entry, name)
    if value is None or value == ():
        return None
    if isinstance(value, tuple):
        return f"[{', '.join(_quote(one) for one in value)}]"
    return str(value) if isinstance(value, int) else _quote(value)


def _quote(value: Path | str) -> str:
    return f'"{quote_untrusted(str(value), _TEXT_CHARACTERS)}"'


def list_missing(entry: ModelEntry) -> Iterable[str]:
    """What of it could not be opened, as it is not there."""
    if not entry.path.is_dir():
        yield "NOT THERE: the model directory."
    for key in entry.key:
        if not key.is_file():
            yield f"NOT THERE: the public key {quote_untrusted(key.name)}."
    if entry.policy is not None and not entry.policy.is_file():
        yield "NOT THERE: the policy file."


def list_tenants(file: ServerFile) -> list[tuple[str, TenantLimits]]:
    from ostiary.core.callers import DEFAULT_TENANT

    return [(DEFAULT_TENANT, file.tenants.usual), *sorted(file.tenants.by_name.items())]


def render_tenants(file: ServerFile, explain: Explain) -> list[str]:
    """Each with all that holds for it, also what [tenants.default] says."""
    from ostiary.gateway.tenant_settings import TENANT_SETTINGS

    lines = []
    for name, limits in list_tenants(file):
        lines += ["", f"[tenants.{json.dumps(name)}]"]
        for setting in TENANT_SETTINGS:
            value = getattr(limits, setting.name)
            lines.append(f"  {setting.name}  (no limit)" if value is None else f"  {setting.name} = {value}")
            lines += explain(setting.meaning)
    return lines


def render_limits(rules: LimitRules, explain: Explain) -> list[str]:
    """For all models each setting; for some what is said of them."""
    from ostiary.cell.limits_file import SETTINGS, render_limit

    lines = ["", "[limits]"]
    for setting in SETTINGS:
        is_set = setting.field in rules.general
        shown = (
            f" = {render_limit(setting, rules.general[setting.field])}" if is_set else "  (derived: docs/limits.md)"
        )
        lines += [f"  {setting.name}{shown}", *explain(setting.meaning)]
    for pattern, fields in rules.by_pattern:
        lines += ["", f"[limits.{json.dumps(pattern.text)}]", *_render_fields(fields)]
    return lines


def _render_fields(fields: Mapping[str, int]) -> list[str]:
    from ostiary.cell.limits_file import SETTINGS, render_limit

    return [
        f"  {setting.name} = {render_limit(setting, fields[setting.field])}"
        for setting in SETTINGS
        if setting.field in fields
    ]
