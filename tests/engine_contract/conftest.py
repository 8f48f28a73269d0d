"""A skip that nobody wrote down is a failure."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ALLOWED = frozenset(
    line.strip()
    for line in (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped:
        reason: Any = report.longrepr
        text = str(reason[2] if isinstance(reason, tuple) else reason).removeprefix("Skipped: ")
        if text not in ALLOWED:
            report.outcome = "failed"
            report.longrepr = f"skipped, and skips.txt does not say so: {text}"
    return report
