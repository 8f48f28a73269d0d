"""`make demo` to its end: a model is signed, served by the real engine, and asked over HTTP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY

pytest.importorskip("mlx_lm")
pytest.importorskip("uvicorn")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


def test_the_demo_serves_and_asks() -> None:
    done = subprocess.run(
        [sys.executable, str(DEMO), "--ask"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stderr
    assert "listening at http://127.0.0.1:" in done.stdout
    assert "asked: 15 tokens in, 12 out" in done.stdout
    assert re.search(r"^answered: \S+", done.stdout, re.MULTILINE), "the first answer that anybody sees is empty"
    assert done.stdout.rstrip().endswith("ostiary: stopped")
