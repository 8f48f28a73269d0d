"""docs/functions.md: from the first block to the last in turn, Python and commands alike."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY

from ostiary import errors
from ostiary.cli.main import main

pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "functions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_way_of_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    names: dict[str, object] = {"__name__": "page"}
    printed = ""
    assert {language for language, _ in BLOCKS} == {"python", "text", "console"}
    for language, text in BLOCKS:
        capfd.readouterr()
        if language == "python":
            exec(compile(text, "functions.md", "exec"), names)  # noqa: S102
            printed = capfd.readouterr().out
        elif language == "text":
            assert printed == text
        else:
            _run_commands(text, capfd)


def _run_commands(block: str, capfd: pytest.CaptureFixture[str]) -> None:
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *shown = step.rstrip("\n").split("\n")
        capfd.readouterr()
        assert main(shlex.split(line)[1:]) == 0, line
        told = capfd.readouterr().out
        for expected in shown:
            pattern = re.escape(expected).replace(re.escape("..."), ".*")
            assert re.search(f"^{pattern}$", told, re.MULTILINE), (expected, told)


def test_every_code_is_there() -> None:
    assert set(re.findall(r"\b(?:CONTRACT|ANSWER|WORKER)_[A-Z_]+", PAGE)) <= errors.CODES.keys()
