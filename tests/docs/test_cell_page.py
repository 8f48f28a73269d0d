"""docs/cell.md: its tables are those of the code, its commands do what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ostiary.cell.ending import Cause, Ending, explain_ending
from ostiary.cell.explain_layers import DOES, WITHOUT
from ostiary.cell.profile import Layer
from ostiary.cell.quarantine import Quarantine
from ostiary.cell.restart import AT_ONCE, FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, WINDOW_SECONDS
from ostiary.cli.main import main
from ostiary.errors import CODES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cell.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| `([a-z_-]+)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)


def test_every_block_is_of_a_kind_that_is_executed() -> None:
    assert [language for language, _ in BLOCKS] == ["console"]


def test_the_layers_are_those_of_the_code_in_their_order() -> None:
    rows = [row for row in ROWS if row[0] in set(Layer)]
    assert rows == [(layer.value, DOES[layer], WITHOUT[layer]) for layer in Layer]


def test_every_cause_is_there_with_the_code_that_a_caller_gets() -> None:
    rows = [row for row in ROWS if row[0] in set(Cause)]
    assert {cause for cause, _, _ in rows} == set(Cause)
    for cause, _, code in rows:
        error = explain_ending(Cause(cause), Ending(signal=11, status=None))
        assert code == f"`{error.code}`"


def test_codes_and_numbers_are_those_of_the_code() -> None:
    for word in re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE):
        assert word in CODES
    assert WINDOW_SECONDS == 600
    assert (AT_ONCE, FIRST_DELAY_SECONDS) == (2, 0.25)
    assert f"up to {LONGEST_DELAY_SECONDS:.0f} seconds" in PAGE


def test_commands(state_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = Quarantine(state_directory, lambda _: None)
    for cause in (Cause.CRASH, Cause.CRASH, Cause.MEMORY, Cause.CRASH):
        quarantine.note_end(f"4fc1bc5f0b5744ea{'0' * 48}", "llama-8b", cause, 3, "id")
    quarantine.note_end(f"90ab52dd0cfe4e63{'0' * 48}", "phi", Cause.WALL_TIME, 3, "id")
    ((_, block),) = BLOCKS
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *shown = step.rstrip("\n").split("\n")
        command, _, comment = line.partition("    # exit ")
        capsys.readouterr()
        assert main(command.split()[1:]) == int(comment or 0), line
        told = capsys.readouterr()
        for expected in shown:
            pattern = re.escape(expected).replace(re.escape("..."), ".*")
            assert re.search(f"^{pattern}$", told.out + told.err, re.MULTILINE), expected
