"""What is printed, where, and what happens when it cannot be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ostiary.cli import ui
from ostiary.core.findings import Severity
from ostiary.errors import OutputUnwritable


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (27_600, "27.6 kB"), (5e9, "5.0 GB"), (4e15, "4,000.0 TB")],
)
def test_bytes_read_as_file_sizes_do(count: float, text: str) -> None:
    assert ui.render_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(12_352, "12,352"), (596_049_920, "596.0 M"), (8_030_261_248, "8.03 B")]
)
def test_counts_read_as_model_sizes_do(count: int, text: str) -> None:
    assert ui.render_count(count) == text


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    line = ui.render_progress("reading", 500_000_000, 2_000_000_000, 0.5, 100)
    assert line == "reading [========                      ]  25%  500.0 MB of 2.0 GB  1.0 GB/s  2 s left"
    assert len(ui.render_progress("reading", 1, 2, 1.0, 60)) <= 60


def test_progress_draws_nothing_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.Progress("reading") as progress:
        progress.start(10)
        progress.advance(10)
    assert capsys.readouterr().err == ""


def test_colour_is_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert ui.has_color(Terminal())
    assert not ui.has_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not ui.has_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not ui.has_color(Terminal())


def test_paint_without_colour_is_plain() -> None:
    assert ui.paint_severity(Severity.HIGH, 9, enabled=False) == "high     "
    assert ui.paint("x", "red", enabled=True) == "\x1b[31mx\x1b[0m"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "answer.json"
    target.write_text("before")
    ui.write_file(target, "after")
    assert target.read_text() == "after"
    with pytest.raises(OutputUnwritable, match="no such file or directory"):
        ui.write_file(tmp_path / "absent" / "answer.json", "after")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answer.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_in_one_line_without_a_traceback(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ostiary", "--help-of-nothing"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        done = subprocess.run(
            [sys.executable, "-c", "from ostiary.cli import ui; ui.out('x' * 100000)"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert "standard output cannot be written: no space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_reader_that_went_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    program = "from ostiary.cli import ui; ui.out('x' * 100000); ui.out('more')"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
