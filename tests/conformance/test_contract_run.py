"""`ostiary contract test --run` with the real engine: a contract that offers more than the graph bears is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY

import ostiary
from ostiary.cli.main import main

mx = pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]


@pytest.mark.parametrize(("ranges", "status"), [({}, 3), ({"ids": (0, 9)}, 0)], ids=["any", "those-of-the-table"])
def test_numbers_that_point_past_a_table(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], ranges: Mapping[str, tuple[float, float]], status: int
) -> None:
    table = mx.ones((10, 4))
    ostiary.export(
        lambda ids: mx.take(table, ids, axis=0),
        mx.array([1, 2, 3]),
        tmp_path / "rows",
        dims="batch",
        ranges=ranges,
        name="rows",
    )
    asked = ["contract", "test", str(tmp_path / "rows"), "--run", "--unsafe-unsigned"]
    assert main([*asked, "--state", str(tmp_path / "state")]) == status
    assert ("an index is outside" in capfd.readouterr().out) is (status == 3)
