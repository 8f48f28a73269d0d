"""`ostiary usage`: by tenant, by day, for machines, and what is no day."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from quota_tools import HandClocks, begin_server, name_caller

from ostiary.admission.usage_file import USAGE_FILE
from ostiary.cli.main import main

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/reference/usage.schema.json").read_text())
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def state(state_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tenants, and one of them on three days; one request is running."""
    clocks = HandClocks(NOW - 40 * 86_400)
    quotas = begin_server(state_directory, clocks)
    for tenant, wait, used in (("acme", 39, 1_000), ("acme", 1, 2_000), ("bert\x1b[2J", 0, 30), ("acme", 0, 4_000)):
        with quotas.counting(name_caller(tenant)):
            quotas.reserve(name_caller(tenant), used).settle(used, used // 10)
        clocks.wait(wait * 86_400)
    quotas.reserve(name_caller("acme"), 77)
    monkeypatch.setattr("ostiary.cli.usage.time.time", lambda: NOW)
    return state_directory


@pytest.mark.usefixtures("state")
def test_by_tenant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "TENANT       REQUESTS  PROMPT TOKENS  ANSWER TOKENS  CUT OFF",
        "acme                2          5,400            600        0",
        "bert\\x1b[2J         1             27              3        0",
    ]


@pytest.mark.usefixtures("state")
def test_by_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--tenant", "acme", "--since", "2026-03-01"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "DAY         REQUESTS  PROMPT TOKENS  ANSWER TOKENS  CUT OFF",
        "2026-03-25         1            900            100        0",
        "2026-05-03         1          1,800            200        0",
        "2026-05-04         1          3,600            400        0",
    ]
    assert main(["usage", "--tenant", "acme", "--since", "1d"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "2026-05-04         1          3,600            400        0"
    ]


@pytest.mark.usefixtures("state")
def test_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--json", "--since", "2d", "--tenant", "acme"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert (told["since"], told["held_tokens"]) == ("2026-05-03", 77)
    assert [(row["day"], row["prompt_tokens"], row["answer_tokens"]) for row in told["usage"]] == [
        ("2026-05-03", 1_800, 200),
        ("2026-05-04", 3_600, 400),
    ]


@pytest.mark.usefixtures("state_directory")
def test_failures_are_for_machines_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--json", "--since", "never"]) == 2
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("state_directory")
def test_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    assert "nothing was used" in capsys.readouterr().err


def test_damage_is_said(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = state / USAGE_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"rubbish\n", *lines[1:]]))
    assert main(["usage"]) == 0
    assert "1 lines of the file of usage cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "7", "-7d", "99999d", "2026-01-01T00:00:00Z", "\u0667d"]
)
def test_what_is_no_day(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", f"--since={text}"]) == 2
    assert "is no day" in capsys.readouterr().err
