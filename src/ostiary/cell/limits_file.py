"""The file of settings -> limits by model. Pure and strict; docs/limits.md explains it.

A test holds docs/reference/config.schema.json against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ostiary.cell.limits import CellLimits, change_limits
from ostiary.core.limits import (
    MAX_KEPT_ENDS,
    MAX_LIMITED_PATTERNS,
    MAX_SETTINGS_BYTES,
    MAX_SETTINGS_TEXT_CHARACTERS,
)
from ostiary.core.model_id import Pattern, parse_pattern
from ostiary.core.text import quote_untrusted
from ostiary.core.toml_fields import Table, TomlKind, read_toml
from ostiary.core.values import dataclass
from ostiary.errors import CELL_LIMITS_MALFORMED, Misuse

SIZES: Final = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
TIMES: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_AMOUNT: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,3}))? ?([A-Za-z]{1,3})", re.ASCII)
_DAY: Final = 86_400
OTHER_TABLES: Final = ("auth", "clients", "models", "server", "tenants")
"""Which the server reads."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One name that a table of limits may have."""

    name: str
    field: str
    """Of CellLimits."""
    units: Mapping[str, int] | None
    """None for a count, which is written as a number."""
    least: int
    most: int
    meaning: str


SETTINGS: Final = (
    Setting("memory", "memory_bytes", SIZES, 128 << 20, 1 << 50, "memory that its process can write to"),
    Setting("cpu", "cpu_seconds", TIMES, 1, 365 * _DAY, "processor time for one request, of all threads together"),
    Setting("wall", "wall_seconds", TIMES, 1, 30 * _DAY, "time from a request to the end of its answer"),
    Setting(
        "load", "load_seconds", TIMES, 1, 30 * _DAY, "time from the start of the process until the model is loaded"
    ),
    Setting("threads", "threads", None, 4, 4_096, "threads at once"),
    Setting("tokens", "tokens", None, 1, 1 << 30, "tokens of one request, its answer included"),
    Setting("descriptors", "descriptors", None, 16, 4_096, "open descriptors at once"),
    Setting("restarts", "restarts", None, 0, MAX_KEPT_ENDS - 1, "starts of a new process within ten minutes"),
)


def _malformed(message: str, hint: str | None) -> Misuse:
    return Misuse(CELL_LIMITS_MALFORMED, message, hint=hint)


CONFIG: Final = TomlKind(
    page="docs/reference/settings.md",
    correct="Correct the setting at this place; docs/reference/settings.md says what it may be.",
    max_bytes=MAX_SETTINGS_BYTES,
    max_text_characters=MAX_SETTINGS_TEXT_CHARACTERS,
    refuse=_malformed,
    refuse_size=_malformed,
    names_lines=True,
)


@dataclass(frozen=True, slots=True)
class LimitRules:
    """What somebody set for every model, and for those of some ids; field of CellLimits to its value."""

    general: Mapping[str, int]
    by_pattern: tuple[tuple[Pattern, Mapping[str, int]], ...]
    """The wider pattern before the narrower."""

    def change(self, limits: CellLimits, model_id: str | None) -> CellLimits:
        """The limits of this model: each as the narrowest pattern says that has it, else as for all, else derived.

        A model that nobody gave an id has only what is set for all.
        """
        changes = dict(self.general)
        for pattern, fields in self.by_pattern:
            if model_id is not None and pattern.matches(model_id):
                changes |= fields
        return change_limits(limits, changes)


NO_RULES: Final = LimitRules({}, ())


def parse_config(data: bytes, name: str) -> LimitRules:
    """The limits in the settings, or one error that names file, line and place."""
    top = read_toml(data, quote_untrusted(name), CONFIG)
    for table in OTHER_TABLES:
        if table in top:
            top.take_table(table)
    rules = _take_limits(top.take_table("limits")) if "limits" in top else NO_RULES
    top.finish()
    return rules


def _take_limits(table: Table) -> LimitRules:
    by_pattern = {}
    for name, fields in table.take_named_tables(MAX_LIMITED_PATTERNS, among_fields=True).items():
        pattern = table.parse(name, name, parse_pattern)
        by_pattern[pattern] = _take_settings(fields)
    general = _take_settings(table)
    widest_first = sorted(by_pattern.items(), key=lambda item: (len(item[0].stem), not item[0].is_prefix))
    return LimitRules(general, tuple(widest_first))


def _take_settings(table: Table) -> Mapping[str, int]:
    fields = {setting.field: _take(table, setting) for setting in SETTINGS if setting.name in table}
    table.finish()
    return fields


def _take(table: Table, setting: Setting) -> int:
    if setting.units is None:
        return table.take_integer(setting.name, setting.least, setting.most)
    units = setting.units
    value = table.take_parsed(setting.name, lambda text: parse_amount(text, units))
    if not setting.least <= value <= setting.most:
        least, most = render_amount(setting.least, units), render_amount(setting.most, units)
        table.fail(setting.name, f"not between {least} and {most}")
    return value


def parse_amount(text: str, units: Mapping[str, int]) -> int:
    """`8 GiB` or `1.5 h`, in whole bytes or seconds."""
    found = _AMOUNT.fullmatch(text)
    if found is None or found[3] not in units:
        example = "8 GiB" if units is SIZES else "30 s"
        raise _malformed(
            f"{quote_untrusted(text, 40)!r} is not a number with its unit",
            f"Write it as {example!r}; the units are {', '.join(units)}.",
        )
    whole, fraction = found[1], found[2] or ""
    return int(whole + fraction) * units[found[3]] // int(10 ** len(fraction))


def render_limit(setting: Setting, value: int) -> str:
    """As it would stand in the file."""
    return str(value) if setting.units is None else f'"{render_amount(value, setting.units).replace(",", "")}"'


def render_amount(value: int, units: Mapping[str, int]) -> str:
    """In the largest unit of which it is a whole number; binary ones for sizes."""
    fitting = [(size, unit) for unit, size in units.items() if value % size == 0 and value >= size]
    binary = [pair for pair in fitting if pair[1].endswith("iB")]
    size, unit = max(binary or fitting or [(1, next(iter(units)))])
    return f"{value // size:,} {unit}"
