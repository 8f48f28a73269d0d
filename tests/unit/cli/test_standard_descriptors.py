"""A program that is started with its standard descriptors closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ostiary.cli import main as main_module

_PROGRAM = """
import errno, os, sys
from ostiary.cli.standard_descriptors import hold_standard_descriptors
hold_standard_descriptors()
place = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
told = [place > 2, all(os.get_inheritable(number) for number in range(3)), os.read(0, 1), os.write(2, b"note")]
try:
    os.write(1, b"result")
except OSError as error:
    told.append(error.errno == errno.EBADF)
os.write(place, repr(told).encode())
"""


def test_no_file_takes_the_place_of_a_closed_one(tmp_path: Path) -> None:
    place = tmp_path / "told"
    closed = 'exec "$@" <&- >&- 2>&-'
    subprocess.run(
        ["/bin/sh", "-c", closed, "sh", sys.executable, "-c", _PROGRAM, str(place)], check=True, timeout=60
    )
    assert place.read_text() == "[True, True, b'', 4, True]"


def test_the_program_does_so_before_it_opens_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record's own files would come to be where results and notes are written."""
    done: list[str] = []
    monkeypatch.setattr(main_module, "hold_standard_descriptors", lambda: done.append("held"))
    monkeypatch.setattr(main_module, "main", lambda: done.append("ran"))
    monkeypatch.setattr(main_module, "gc", SimpleNamespace(set_threshold=int, freeze=int))
    main_module.run_program()
    assert done == ["held", "ran"]


@pytest.mark.parametrize(("closed", "expected"), [("<&- 2>&-", 0), (">&-", 4)], ids=["to-ask-and-note", "result"])
def test_a_result_that_nobody_can_take_is_a_failure_that_is_named(
    tmp_path: Path, closed: str, expected: int
) -> None:
    command = [sys.executable, "-m", "ostiary", "keys", "list", "--json", "--state", str(tmp_path)]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == expected
    assert ("OUTPUT_UNWRITABLE" in done.stderr, '"keys"' in done.stdout) == (expected == 4, expected == 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_notes_that_nobody_takes_change_no_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    command = [sys.executable, "-m", "ostiary", "keys", "list", "--state", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, check=False, timeout=60, stdout=subprocess.DEVNULL, stderr=full)
    assert done.returncode == 0
