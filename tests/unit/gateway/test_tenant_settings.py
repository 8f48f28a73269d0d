"""The tables of tenants: what another's does not say is as by default, and what makes no sense is told with its line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ostiary.admission.tenants import NO_LIMITS, TenantLimits, TenantTable
from ostiary.errors import Misuse
from ostiary.gateway.settings_file import parse_server_file
from ostiary.gateway.tenant_settings import TENANT_SETTINGS

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "reference" / "config.schema.json"


WHOLE = """
[tenants.default]
requests_per_minute = 60
tokens_per_day = 1_000_000

[tenants.acme]
tokens_per_minute = 20_000
tokens_per_day = 5_000_000
concurrent = 4
priority = 20

[tenants."user@example.org"]
"""


def fits_schema(text: str) -> bool:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return bool(Draft202012Validator(schema).is_valid(tomllib.loads(text)))


def read(text: str) -> TenantTable:
    return parse_server_file(text.encode(), "ostiary.toml", Path()).tenants


def test_the_settings_are_the_fields_of_limits() -> None:
    assert [setting.name for setting in TENANT_SETTINGS] == list(TenantLimits.__dataclass_fields__)


def test_nothing_said_is_no_limit() -> None:
    assert read("") == NO_LIMITS
    assert read("[tenants]") == NO_LIMITS
    assert NO_LIMITS.find("anybody") == TenantLimits(None, None, None, None, 10)


def test_a_table_says_what_differs_from_the_default() -> None:
    table = read(WHOLE)
    assert fits_schema(WHOLE)
    assert table.find("acme") == TenantLimits(60, 20_000, 5_000_000, 4, 20)
    assert table.find("user@example.org") == table.find("whoever") == TenantLimits(60, None, 1_000_000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tenants.acme]\nrequests_per_hour = 5", "line 2: tenants.acme.requests_per_hour: there is no such field"),
        ("[tenants.acme]\ntokens_per_day = 0", "line 2: tenants.acme.tokens_per_day: not between 1 and"),
        ("[tenants.acme]\ntokens_per_day = true", "not a whole number"),
        ("[tenants.acme]\ntokens_per_day = 1.5", "not a whole number"),
        ("[tenants.acme]\npriority = 101", "not between 1 and 100"),
        ("[tenants.acme]\nconcurrent = -1", "not between"),
        ('[tenants."../etc"]\nconcurrent = 1', "no name of a tenant"),
        ("[tenants]\nacme = 5", "not a table"),
        ("tenants = 5", "not a table"),
    ],
)
def test_mistakes(text: str, told: str) -> None:
    with pytest.raises(Misuse) as error:
        read(text)
    assert told in error.value.message
    assert not fits_schema(text)
