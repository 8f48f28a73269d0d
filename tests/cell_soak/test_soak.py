"""A few rounds of the soak, each harm at each step where that is quick. `make soak-cell` runs ten thousand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="harms processes as Linux shows them")


def test_harmed_cells_leave_nothing_and_end_once() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("soak.py")), "--rounds", "60", "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "60 rounds" in done.stdout
    # Rounds in which nothing ever went wrong would prove nothing. Rarer causes come in ten thousand rounds only.
    causes = done.stdout.splitlines()[1]
    for cause in ("closed", "crash", "did not start", "killed"):
        assert f" {cause} " in causes, causes
