"""A short soak of requests for every change; `make soak-requests` runs the long one."""

from __future__ import annotations

from pathlib import Path

from cell_tools import LINUX_ONLY

from request_soak.soak import find_faults, run

pytestmark = LINUX_ONLY


def test_mixed_requests_leave_nothing_behind(tmp_path: Path) -> None:
    seen = run(500, "fake", tmp_path)
    assert find_faults(seen, 500) == []
    assert seen.endings.total() == seen.asked > 400
    assert set(seen.endings) == {"request.answered", "request.refused", "request.cancelled"}
