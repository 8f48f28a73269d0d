"""What the README shows is what happens."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY

from ostiary.cli.main import build_parser
from ostiary.testing import HostilePublisher

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = sorted(p for p in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")] if p.is_file())


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@LINUX_ONLY
def test_the_demo_prints_what_the_readme_shows() -> None:
    command, _, shown = _blocks("console")[0].partition("\n")
    assert command == "$ make demo"
    pytest.importorskip("mlx.core")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "examples" / "demo.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout
    told = iter(done.stdout.splitlines())
    is_anything_between = False
    for expected in shown.splitlines():
        if expected == "...":
            is_anything_between = True
            continue
        pattern = re.escape(expected.rstrip()).replace(re.escape("..."), ".*")
        while (line := next(told, None)) is not None and not re.fullmatch(pattern, line.rstrip()):
            assert is_anything_between, (expected, line)
        assert line is not None, expected
        is_anything_between = False


def test_make_demo_runs_that_program_and_both_commands_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo:.*\n\t@\$\(BIN\)/python examples/demo\.py$", makefile, re.MULTILINE)
    assert re.search(r"^test:.*\n\t@\$\(PYTEST\)", makefile, re.MULTILINE)


def test_the_python_block_prints_the_text_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    HostilePublisher(tmp_path).publish("reaching-template")
    monkeypatch.chdir(tmp_path)
    exec(compile(_blocks("python")[0], "README.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out == _blocks("text")[0]


def test_every_command_of_the_readme_parses(tmp_path: Path) -> None:
    lines = [
        line for block in _blocks("console")[1:] for line in block.splitlines() if line.startswith("$ ostiary ")
    ]
    assert len(lines) >= 5
    for line in lines:
        words = shlex.split(line, comments=True)[2:]
        options = build_parser().parse_args(words)
        assert isinstance(options, argparse.Namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
