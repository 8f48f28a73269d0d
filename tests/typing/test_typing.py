"""What a program sees of Ostiary is typed: mypy, strictly, finds every mistake of a sample and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).with_name("sample.py")


def test_a_program_is_checked_strictly(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--follow-imports=silent",
            "--config-file=",
            f"--cache-dir={tmp_path}",
            str(SAMPLE),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
    )
    found = re.findall(r"sample\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    lines = enumerate(SAMPLE.read_text(encoding="utf-8").splitlines(), 1)
    expected = [(str(number), line.split("# expected: ")[1]) for number, line in lines if "# expected: " in line]
    assert found == expected, done.stdout + done.stderr
