"""Settings out of a table of the file, each as its line in the table of all settings says that it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ostiary.cell.limits_file import SIZES, TIMES, parse_amount, render_amount
from ostiary.core.toml_fields import Table
from ostiary.gateway.settings import Kind, ModelSetting, ServerSetting

_NO_PARSERS: Final[Mapping[str, Callable[[str], str]]] = {}


def take_settings(
    table: Table,
    settings: Iterable[ServerSetting | ModelSetting],
    parsers: Mapping[str, Callable[[str], str]] = _NO_PARSERS,
) -> dict[str, object]:
    """Those that stand there, and nothing else may."""
    said = {setting.name: take_setting(table, setting, parsers) for setting in settings if setting.name in table}
    table.finish()
    return said


def take_setting(
    table: Table,
    setting: ServerSetting | ModelSetting,
    parsers: Mapping[str, Callable[[str], str]] = _NO_PARSERS,
) -> object:
    """`parsers`: by the names of settings, for each of their texts. Raises Misuse(SETTINGS_MALFORMED)."""
    name = setting.name
    if setting.kind is Kind.TEXT:
        text = table.take_text(name)
        return table.parse(name, text, parsers[name]) if name in parsers else text
    if setting.kind is Kind.FLAG:
        return table.take_flag(name)
    if setting.kind is Kind.COUNT:
        return table.take_integer(name, setting.least, setting.most)
    if setting.kind is Kind.TEXTS:
        return table.take_texts(name, parsers.get(name, str))
    units = SIZES if setting.kind is Kind.SIZE else TIMES
    value = table.take_parsed(name, lambda text: parse_amount(text, units))
    if not setting.least <= value <= setting.most:
        least, most = render_amount(setting.least, units), render_amount(setting.most, units)
        table.fail(name, f"not between {least} and {most}")
    return value
