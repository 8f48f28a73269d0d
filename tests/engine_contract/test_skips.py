"""The list of skips is neither too short nor too long, and nothing is skipped beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from engine_contract.subjects import SUBJECTS

HERE = Path(__file__).parent
SKIPPED = """
import pytest

def test_that_may_be_skipped():
    pytest.skip("language-gpu: there is no device")

def test_that_may_not():
    pytest.skip("language: there is no device")

@pytest.mark.skip(reason="language-gpu: there is no device, they say")
def test_that_says_something_else(): ...

@pytest.mark.xfail
def test_that_is_expected_to_fail():
    raise ValueError
"""


def test_each_line_can_come_true_and_no_other() -> None:
    lines = (HERE / "skips.txt").read_text(encoding="utf-8").splitlines()
    written = [line for line in lines if line and not line.startswith("#")]
    reasons = {f"{subject.name}: {package} is not installed" for subject in SUBJECTS for package in subject.needs}
    reasons |= {f"{subject.name}: there is no device" for subject in SUBJECTS if subject.device == "gpu"}
    reasons |= {f"{subject.name}: it answers at once" for subject in SUBJECTS if not subject.speaks}
    assert sorted(written) == sorted(reasons)


def test_any_other_skip_fails(tmp_path: Path) -> None:
    for name in ("conftest.py", "skips.txt"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "test_some.py").write_text(SKIPPED)
    (tmp_path / "test_none.py").write_text("import pytest\npytest.importorskip('nothing_of_this_name')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    done = subprocess.run([*command, "test_some.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 failed, 1 skipped, 1 error" in done.stdout
    done = subprocess.run([*command, "test_none.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode not in {0, 5}
    assert "a whole file was skipped" in done.stdout
