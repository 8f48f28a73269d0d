"""Schemathesis reads our own /openapi.json and tries what it says, and what it does not say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from served_models import serve_fake

from ostiary.testing import FakeEngine

pytestmark = [
    LINUX_ONLY,
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"),
]


# What is too long is told with 413. That all that is well-formed is accepted is not asked: an empty prompt is not,
# nor a choice of tools where there are none, and no schema can say so. Nor are keys, which this door does without.
SETTINGS = """
[checks]
negative_data_rejection.expected-statuses = ["4xx"]
"""


def test_it_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    with FakeEngine(), serve_fake(tmp_path) as served:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                f"{served.url}/openapi.json",
                "--checks=all",
                "--exclude-checks=positive_data_acceptance,ignored_auth",
                "--phases=coverage,fuzzing",
                "--max-examples=10",
                "--seed=1",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-14_000:] + done.stderr[-1_000:]
        assert served.door.failures == []
