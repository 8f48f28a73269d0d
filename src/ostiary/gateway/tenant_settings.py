"""The settings of tenants: [tenants.NAME] and [tenants.default]. Read like all others."""

from __future__ import annotations

from typing import Final

from ostiary.admission.tenants import NO_LIMITS, USUAL_PRIORITY, TenantLimits, TenantTable
from ostiary.core.callers import DEFAULT_TENANT
from ostiary.core.limits import MAX_SETTING_TENANTS, MAX_TENANT_LIMIT, MAX_TENANT_PRIORITY
from ostiary.core.toml_fields import Table
from ostiary.gateway.settings import Kind, ModelSetting
from ostiary.gateway.take_setting import take_settings
from ostiary.gateway.tls_settings import parse_tenant

TENANT_SETTINGS: Final = (
    ModelSetting(
        "requests_per_minute", Kind.COUNT, "requests to models, in any 60 seconds", 1, int(MAX_TENANT_LIMIT)
    ),
    ModelSetting(
        "tokens_per_minute",
        Kind.COUNT,
        "tokens of prompts and answers together, in any 60 seconds",
        1,
        int(MAX_TENANT_LIMIT),
    ),
    ModelSetting("tokens_per_day", Kind.COUNT, "the same, in any 24 hours", 1, int(MAX_TENANT_LIMIT)),
    ModelSetting("concurrent", Kind.COUNT, "requests at once, those that wait included", 1, 65_536),
    ModelSetting(
        "priority",
        Kind.COUNT,
        f"its share where several want the same model; {USUAL_PRIORITY} where nothing is said",
        1,
        int(MAX_TENANT_PRIORITY),
    ),
)


def take_tenants(table: Table) -> TenantTable:
    """`default` holds for each tenant that has no table, and for what another's does not say. Raises Misuse."""
    said = {}
    for name, fields in table.take_named_tables(MAX_SETTING_TENANTS).items():
        if name != DEFAULT_TENANT:
            table.parse(name, name, parse_tenant)
        said[name] = take_settings(fields, TENANT_SETTINGS, {})
    usual = said.pop(DEFAULT_TENANT, {})
    by_name = {name: _make_limits({**usual, **own}) for name, own in said.items()}
    return TenantTable(_make_limits(usual), by_name) if said or usual else NO_LIMITS


def _make_limits(said: dict[str, object]) -> TenantLimits:
    return TenantLimits(**said)  # type: ignore[arg-type]
