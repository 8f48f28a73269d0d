"""docs/admission.md, on tenants: its settings are taken, its commands say what they show, its words are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from page_tools import find_blocks, find_section, fits, run_curl, steps
from quota_tools import HandClocks, begin_server, name_caller
from served_models import serve

from ostiary.admission import measure
from ostiary.admission.tenants import TenantLimits
from ostiary.admission.usage_file import USAGE_FILE
from ostiary.cli.main import main
from ostiary.core.limits import MAX_USAGE_DAYS
from ostiary.errors import CODES
from ostiary.gateway.rate_limits import RATE_LIMIT_HEADERS
from ostiary.gateway.settings_file import parse_server_file
from ostiary.record.events import EVENT_TYPES
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "admission.md").read_text(encoding="utf-8")
SECTION = find_section(PAGE, "Tenants and quotas")


def test_the_settings_are_taken(tmp_path: Path) -> None:
    (text,) = find_blocks(SECTION, "toml")
    tenants = parse_server_file(text.encode(), "ostiary.toml", tmp_path).tenants
    assert tenants.find("whoever") == TenantLimits(60, 20_000)
    assert tenants.find("acme") == TenantLimits(60, 200_000, 5_000_000, 16, 20)


def test_the_headers_are_all_that_there_are() -> None:
    assert sorted(re.findall(r"`((?:x|anthropic)-ratelimit-[a-z-]+)`", SECTION)) == sorted(RATE_LIMIT_HEADERS)


def test_codes_events_files_and_numbers_exist() -> None:
    for code in re.findall(r"`((?:ADMISSION|QUOTA)_[A-Z]+)`", SECTION):
        assert code in CODES
    assert "usage.damaged" in EVENT_TYPES
    assert f"`{USAGE_FILE}`" in SECTION
    assert f"for {int(MAX_USAGE_DAYS)} days" in SECTION
    assert f"{measure._USUAL_ANSWER} are held" in SECTION


@LINUX_ONLY
def test_the_commands_say_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    quotas = begin_server(tmp_path / "usage", HandClocks(tmp_path.stat().st_mtime), usual=TenantLimits(None, 50))
    for _ in range(2):
        with quotas.counting(name_caller("acme")):
            quotas.reserve(name_caller("acme"), 10).settle(4, 2)
    monkeypatch.setenv("OSTIARY_STATE_DIR", str(tmp_path / "usage"))
    model = HostilePublisher(tmp_path).publish_honest()
    with FakeEngine(), serve(tmp_path / "state", ("llama", model, sign_model(model)), quotas=quotas) as served:
        for block in find_blocks(SECTION):
            for command, shown in steps(block):
                if command.startswith("curl"):
                    assert fits(shown, run_curl(command, served.url, "any")), command
                else:
                    capfd.readouterr()
                    assert main(shlex.split(command)[1:]) == 0
                    said = capfd.readouterr().out.rstrip("\n")
                    assert fits(shown.replace("\n...", "..."), said), said
    quotas.close()
