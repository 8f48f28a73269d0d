"""The generated pages are those of the installed code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_generated_pages_do_not_differ_from_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tools" / "generate_docs.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
