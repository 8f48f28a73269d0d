"""`ostiary contract test --run` of a function: what fits is computed behind the wall, what does not is tried outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from function_models import CONTRACT, make_graph, write_function

from ostiary.cli.main import main
from ostiary.graph.function_contract import TensorOutput
from ostiary.graph.render_graph import render_graph
from ostiary.graph.values import Output
from ostiary.testing import FakeEngine, sign_model

pytestmark = LINUX_ONLY


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with FakeEngine():
        yield


def test_what_fits_is_computed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sign_model(write_function(tmp_path / "scaled"), model_id="acme/scaled")
    assert main(["contract", "test", "scaled", "--run", "--key", "scaled.pub", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["is_as_said"]
    assert {trial["ran"] for trial in told["trials"] if trial["expected"] == "fits"} == {True}
    assert {trial["ran"] for trial in told["trials"] if trial["expected"] != "fits"} == {False}


def test_an_engine_that_gives_something_else_is_found_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`malformed` is an output that the fake engine gives with a byte too many."""
    contract = replace(CONTRACT, outputs=(TensorOutput("malformed", "FP32", CONTRACT.outputs[0].shape),))
    model = write_function(tmp_path / "scaled", contract)
    graph = replace(make_graph(contract), outputs=(Output("malformed", 2),))
    (model / "graph.json").write_bytes(render_graph(graph))
    sign_model(model, model_id="acme/scaled")
    assert main(["contract", "test", "scaled", "--run", "--key", "scaled.pub"]) == 3
    assert "and not: fits" in capfd.readouterr().out
