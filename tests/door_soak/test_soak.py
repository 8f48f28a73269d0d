"""About two minutes of the soak of the door for every change; `make soak-door` runs an hour."""

from __future__ import annotations

from pathlib import Path

from cell_tools import LINUX_ONLY

from door_soak.soak import find_faults, run_soak

pytestmark = LINUX_ONLY

ANSWERS = 12_000


def test_honest_and_hostile_clients_leave_nothing_behind(tmp_path: Path) -> None:
    soak = run_soak(
        tmp_path,
        (lambda seen: seen.counts["answered"] < ANSWERS // 10, lambda seen: seen.counts["answered"] < ANSWERS),
        kill_every=ANSWERS // 6,
    )
    assert find_faults(soak) == []
    assert soak.seen.counts["answered"] == len(soak.seen.tokens) >= ANSWERS
    assert soak.seen.counts["killed"] >= 5
    assert min(soak.seen.counts[what] for what in ("hostile", "asked to come again")) > 100
    kinds = soak.recorded.kinds
    assert min(kinds[f"request.{how}"] for how in ("answered", "cancelled", "refused")) > 50
    assert kinds["client.refused"] > 10
