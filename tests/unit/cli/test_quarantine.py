"""`ostiary quarantine` from the first look to the release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ostiary.cell.ending import Cause
from ostiary.cell.quarantine import Quarantine
from ostiary.cli.main import main
from ostiary.record.begin import open_reader

SICK, WELL, DAMAGED = "ab" * 32, "ac" * 32, "cd" * 32


@pytest.fixture
def state(state_directory: Path) -> Path:
    """One model in quarantine, one that ended once, and one whose file somebody wrote into."""
    quarantine = Quarantine(state_directory, lambda _: None, lambda: 1_800_000_000.0)
    for cause in (Cause.CRASH, Cause.CRASH, Cause.MEMORY, Cause.CRASH):
        quarantine.note_end(SICK, "llama\x1b[2J", cause, 3, "id")
    quarantine.note_end(WELL, "phi", Cause.WALL_TIME, 3, "id")
    (state_directory / "quarantine" / f"{DAMAGED}.json").write_bytes(b"{")
    return state_directory


@pytest.mark.usefixtures("state")
def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "abababababababab  quarantined  llama\\x1b[2J              3 x crash, 1 x memory",
        "acacacacacacacac  may start    phi                       1 x wall_time",
        "cdcdcdcdcdcdcdcd  quarantined  what is kept of it cannot be read",
    ]


def test_list_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "list"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "no model ended" in told.err


@pytest.mark.usefixtures("state")
def test_list_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "list", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert [(one["root"], one["is_quarantined"], one["is_readable"]) for one in models] == [
        (SICK, True, True),
        (WELL, False, True),
        (DAMAGED, True, False),
    ]
    assert models[0]["quarantined_at"] == "2027-01-15T08:00:00Z"
    assert models[1]["ends"] == [{"at": "2027-01-15T08:00:00Z", "cause": "wall_time"}]


@pytest.mark.usefixtures("state")
def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "show", SICK[:8]]) == 0
    told = capsys.readouterr().out
    assert "quarantined since 2027-01-15 08:00:00Z" in told
    assert told.count("crash") == 3
    assert f"ostiary record query --digest {SICK[:16]}" in told
    assert main(["quarantine", "show", DAMAGED]) == 0
    assert "cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("abababa", "first 8 hexadecimal digits"),
        ("../../etc/passwd", "first 8 hexadecimal digits"),
        ("00000000", "no end is kept"),
    ],
)
@pytest.mark.usefixtures("state")
def test_a_root_that_names_none(root: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("show", "release"):
        assert main(["quarantine", verb, root]) == 2
        assert words in capsys.readouterr().err


def test_a_root_that_names_two(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twin = SICK[:60] + "0000"
    Quarantine(state, lambda _: None).note_end(twin, "llama", Cause.CRASH, 3, "id")
    assert main(["quarantine", "show", SICK[:60]]) == 2
    assert "2 models" in capsys.readouterr().err
    assert main(["quarantine", "show", SICK]) == 0


def test_release(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for root in (SICK, DAMAGED):
        assert main(["quarantine", "release", root]) == 0
        assert "may start again" in capsys.readouterr().err
    with open_reader(state) as reader:
        kinds = [json.loads(body)["kind"] for _, body in reader.read_bodies(0, reader.read_size())]
    assert kinds == ["record.begun", "model.released", "model.released"]
    assert [model.root for model in Quarantine(state, lambda _: None).read_all()] == [WELL]


@pytest.mark.usefixtures("state")
def test_what_may_start_is_not_released(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "release", WELL]) == 2
    assert "not in quarantine" in capsys.readouterr().err


def test_another_state_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "list", "--state", str(tmp_path / "other")]) == 0
    assert capsys.readouterr().out == ""
