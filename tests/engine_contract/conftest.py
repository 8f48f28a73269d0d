"""A skip that nobody wrote down is a failure, of a test and of a whole file."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ALLOWED = frozenset(
    line.strip()
    for line in (HERE / "skips.txt").read_text(encoding="utf-8").splitlines()
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


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and HERE in collector.path.parents:
        report.outcome = "failed"
        report.longrepr = f"a whole file was skipped: {report.longrepr}"
    return report
