"""Each study of examples/, from training to the answer behind the wall; shorter than a person would train it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY

pytest.importorskip("mlx.core")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STUDIES = {"digits": 40, "digits_conv": 15, "digits_small": 15, "pendulum": 5}
"""How many steps show that it trains."""


def test_every_study_is_tried_here_and_by_make() -> None:
    studies = {path.stem for path in EXAMPLES.glob("*.py") if "ostiary.export(" in path.read_text(encoding="utf-8")}
    makefile = (EXAMPLES.parent / "Makefile").read_text(encoding="utf-8")
    assert studies == set(STUDIES)
    assert re.search(rf"for e in {' '.join(STUDIES)};", makefile)


@pytest.mark.parametrize("study", STUDIES)
def test_it_is_as_good_behind_the_wall(study: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{study}.py"), str(STUDIES[study])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            **os.environ,
            "OSTIARY_EXAMPLES": str(tmp_path / "made"),
            "OSTIARY_STATE_DIR": str(tmp_path / "state"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "MPLCONFIGDIR": str(tmp_path / "plots"),
        },
    )
    assert done.returncode == 0, done.stderr
    before, *_, after = re.findall(r"\d+\.\d+(?:(?=%)|(?= cm)|(?= behind))", done.stdout)
    assert before == after or study == "digits_small"
    assert "behind the wall" in done.stdout
    name = study.replace("_", "-")
    assert (tmp_path / "made" / f"{name}-loss.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (tmp_path / "made" / name).iterdir()} == {
        "card.json",
        "contract.json",
        "graph.json",
        "graph.safetensors",
        "model.sig",
    }


def test_the_model_of_the_demo_is_that_of_the_study() -> None:
    """Its graph says so; its numbers are those of a whole training."""
    from ostiary.graph.agreement import find_disagreement
    from ostiary.graph.parse_contract import parse_contract
    from ostiary.graph.parse_graph import parse_graph

    shipped = EXAMPLES / "models" / "digits"
    graph = parse_graph((shipped / "graph.json").read_bytes())
    contract = parse_contract((shipped / "contract.json").read_bytes())
    assert find_disagreement(graph, contract) is None
    assert [item.name for item in contract.inputs] == ["image"]
    assert contract.batch_dim == "batch"
