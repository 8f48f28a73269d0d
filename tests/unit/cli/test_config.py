"""`ostiary config check`: every setting of the page of settings is explained, whatever the file says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from ostiary.cell.limits_file import parse_config
from ostiary.cli.main import main
from ostiary.gateway.settings_file import parse_server_file

PAGE: Final = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "settings.md").read_text(
    encoding="utf-8"
)
FULL: Final = """
[server]
memory = "1.5 GiB"
queue = 9
[models.llama]
path = "nowhere"
key = ["no.pub"]
workers = 2
[tenants.shop]
tokens_per_day = 1
[limits]
memory = "1025 MiB"
restarts = 0
[limits."acme/*"]
wall = "5 min"
"""


def read_page() -> list[tuple[str, list[str], list[str]]]:
    """Each table with its settings and what it says of them."""
    tables = []
    for part in PAGE.split("\n## ")[1:]:
        heading = part.partition("\n")[0]
        rows = [
            [cell.strip() for cell in row[1:].split(" | ")]
            for row in re.findall(r"^\| `.*(?= \|$)", part, re.MULTILINE)
        ]
        place = part.partition("| --- ")[0].rpartition("\n| setting")[2].count(" | default")
        tables.append((heading, [row[0].strip("`") for row in rows], [row[1 + place] for row in rows]))
    return tables


def check(path: Path, text: str, capfd: pytest.CaptureFixture[str]) -> str:
    path.write_text(text, encoding="utf-8")
    assert main(["config", "check", "--config", str(path)]) == 0
    return capfd.readouterr().out


def section_of(said: str, heading: str) -> str:
    (found,) = re.findall(rf"^{re.escape(heading)}(.*?)(?:\n\n|\Z)", said, re.MULTILINE | re.DOTALL)
    return f"{found}\n"


@pytest.mark.parametrize("text", ["", FULL])
def test_every_setting_of_the_page_is_explained(
    text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = check(tmp_path / "ostiary.toml", text, capfd)
    spelled = {"[tenants.NAME]": '[tenants."default"]'}
    if text:
        spelled['[models."NAME"]'] = '[models."llama"]'
    tables = read_page()
    assert [table[0] for table in tables] == [
        "[server]", "[server.tls]", '[clients."NAME"]', "[auth.token]", '[models."NAME"]', "[tenants.NAME]", "[limits]",
    ]  # fmt: skip
    for heading, names, meanings in tables:
        section = re.sub(r"\n {6,}", " ", section_of(said, spelled.get(heading, heading)))
        assert names
        for name, meaning in zip(names, meanings, strict=True):
            assert re.search(rf"^  {name}(?: = .*|  \(.*\))? {re.escape(meaning)}( |$)", section, re.MULTILINE), (
                name
            )


def test_what_is_shown_can_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = check(tmp_path / "ostiary.toml", FULL, capfd)
    shown = re.sub(
        r"^(?: {6}.*|  \w+|.*: good|  \w+ +\(.*\)|  .* = as the machine is.*)$", "", said, flags=re.MULTILINE
    )
    shown = re.sub(r"^\[.*\]  \(not in the file\)$", "", shown, flags=re.MULTILINE).replace("  (default)", "")
    data = shown.encode()
    assert parse_server_file(data, "shown.toml", tmp_path).server.memory == 3 << 29
    assert parse_config(data, "shown.toml").general == {"memory_bytes": 1_025 << 20, "restarts": 0}
    assert parse_server_file(data, "", tmp_path).models == parse_server_file(FULL.encode(), "", tmp_path).models


def test_what_is_not_there_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = check(tmp_path / "ostiary.toml", FULL, capfd)
    section = section_of(said, '[models."llama"]')
    assert "NOT THERE: the model directory." in section
    assert "NOT THERE: the public key no.pub." in section
    assert section_of(said, "[server.tls]").startswith("  (not in the file)\n      nothing is encrypted\n")


def test_what_is_not_there_is_the_last_that_is_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A server would not start with it, and it stands between a hundred lines that say nothing is wrong."""
    path = tmp_path / "ostiary.toml"
    path.write_text(FULL, encoding="utf-8")
    assert main(["config", "check", "--config", str(path)]) == 0
    told = capfd.readouterr().err.splitlines()
    assert told == [
        "ostiary: llama: NOT THERE: the model directory.",
        "ostiary: llama: NOT THERE: the public key no.pub.",
    ]


def test_a_field_that_is_missing_hides_no_other_mistake(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ostiary.toml"
    path.write_text(
        '[auth.token]\nissuer = "https://id.example"\nkeys = "set.json"\n[models.a]\nload = "start"\n[tenants.b]\nconcurrent = 0\n'
    )
    assert main(["config", "check", "--config", str(path)]) == 2
    told = re.findall(r"ostiary.toml(?:, line \d+)?: (\S+):", capfd.readouterr().err)
    assert sorted(told) == ["auth.token.audience", "models.a.path", "tenants.b.concurrent"]
