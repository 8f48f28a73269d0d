"""Every command that docs/record.md shows works, in the order in which it shows them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from record_tools import make_event, make_refusal

from ostiary.cli.main import main
from ostiary.errors import CODES
from ostiary.record.begin import open_log

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "record.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def test_every_command_of_the_page_works(
    tmp_path: Path, state_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_log(state_directory) as log:
        log.append_many([make_event(), make_refusal()])
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) > 10
    for command in COMMANDS:
        words, _, target = command.partition(" > ")
        program, *arguments = shlex.split(words)
        assert program == "ostiary"
        assert main(arguments) == 0, command
        told = capsys.readouterr()
        if target:
            (tmp_path / target).write_text(told.out)
        assert told.out or "--output" in command, command


def test_the_page_names_only_codes_that_exist() -> None:
    assert set(re.findall(r"`(RECORD_[A-Z_]+)`", PAGE)) <= set(CODES)


def test_the_json_that_the_page_shows_is_json() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [type(json.loads(block)) for block in blocks] == [list, dict]
