"""`ostiary contract` of functions, as a person and a machine see it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from contract_files import contract_file
from function_models import CONTRACT, make_graph, write_function

from ostiary.cli.main import main
from ostiary.graph.derive_contract import derive_contract
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.render_contract import render_contract
from ostiary.intake import read_contract, read_graph
from ostiary.testing import HostilePublisher

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


def validate(text: str, name: str) -> Any:
    value = json.loads(text)
    jsonschema.validate(value, json.loads((REFERENCE / f"{name}.schema.json").read_text()))
    return value


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_function(tmp_path / "scaled")


def test_show_tells_dims_inputs_and_outputs(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "show", str(model)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "scaled: contract.json",
        "  platform        ostiary-graph",
        "  name            scaled",
        "  dim             batch: 1 to 64; the batch",
        "  input           x: FP32 [batch, 3]; finite; -10.0 to 10.0",
        "  output          y: FP32 [batch, 3]; finite",
    ]
    assert main(["contract", "show", "--json", str(model / "contract.json")]) == 0
    shown = validate(capsys.readouterr().out, "contract-show")
    assert shown["source"] == "contract.json"
    validate(json.dumps(shown["contract"]), "contract")


def test_show_of_what_has_no_end_and_few_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "contract.json"
    ids = TensorInput("ids", "INT32", (), allowed=(1, 2))
    path.write_bytes(render_contract(replace(CONTRACT, dims=(ContractDim("batch", 2, None),), inputs=(ids,))))
    assert main(["contract", "show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  dim             batch: from 2" in lines
    assert "  input           ids: INT32 []; one of 1, 2" in lines


def test_without_a_contract_it_is_no_function(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "contract.json").unlink()
    for words in (["show", str(model)], ["test", str(model)], ["diff", str(model), str(model)]):
        assert main(["contract", *words]) == 3
        error = capsys.readouterr().err
        assert "INTAKE_INCOMPLETE" in error
        assert "contract init" in error


def test_init_writes_what_export_would_without_rules(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "contract.json").unlink()
    assert main(["contract", "init", str(model)]) == 0
    assert "written: contract.json" in capsys.readouterr().out
    assert parse_contract((model / "contract.json").read_bytes()) == derive_contract(make_graph())
    assert main(["contract", "test", str(model)]) == 0


def test_init_says_that_there_is_one(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (model / "contract.json").read_bytes()
    assert main(["contract", "init", str(model)]) == 2
    assert "there is a contract.json already" in capsys.readouterr().err
    assert (model / "contract.json").read_bytes() == before
    (model / "contract.json").write_bytes(b"{}")  # a bad one can be replaced
    assert main(["contract", "init", "--force", str(model)]) == 0
    assert "sign it again" in capsys.readouterr().err
    assert main(["contract", "test", str(model)]) == 0


def test_init_to_standard_output_is_the_one_spelling(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "init", str(model), "-o", "-"]) == 0
    assert parse_contract(capfd.readouterr().out.encode()) == derive_contract(make_graph())


def test_init_takes_no_name(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "init", str(model), "--name", "other", "--force"]) == 2
    assert "leave --name out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "data"), [("graph.json", b"{}"), ("evil.py", b"import os"), ("graph.safetensors", b"")]
)
def test_init_of_what_is_refused_is_refused(model: Path, file: str, data: bytes) -> None:
    (model / "contract.json").unlink()
    (model / file).write_bytes(data)
    assert main(["contract", "init", str(model)]) == 3
    assert not (model / "contract.json").exists()


def test_test_lists_what_was_tried(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "test", "--all", str(model)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "as said batch is 65 shape".split() in lines
    assert "as said x holds just above its range range".split() in lines
    assert "as said x holds what is no number finite".split() in lines
    assert lines[-1] == f"{len(lines) - 1} of {len(lines) - 1} requests met what the contract says".split()
    assert main(["contract", "test", "--json", str(model)]) == 0
    told = validate(capsys.readouterr().out, "contract-test")
    assert told["is_as_said"]
    assert not any(trial["ran"] for trial in told["trials"])


def test_test_finds_a_contract_that_nothing_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    between = replace(CONTRACT.inputs[0], range=(0.1, 0.10000000001))  # no FP32 lies there
    model = write_function(tmp_path / "scaled", replace(CONTRACT, inputs=(between,)))
    assert main(["contract", "test", str(model)]) == 3
    assert "range, and not: fits" in capsys.readouterr().out


def test_diff_tells_what_is_wider(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.json"
    new.write_bytes(render_contract(derive_contract(make_graph())))
    assert main(["contract", "diff", str(model), str(new)]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "wider     inputs.x.finite: true -> false",
        "wider     inputs.x.range.max: 10.0 -> -",
        "wider     inputs.x.range.min: -10.0 -> -",
        "wider     outputs.y.finite: true -> false",
    ]
    assert main(["contract", "diff", "--json", str(new), str(model)]) == 0
    told = validate(capsys.readouterr().out, "contract-diff")
    assert {difference["change"] for difference in told["differences"]} == {"narrower"}


def test_platforms_are_not_compared(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "language.json").write_bytes(contract_file())
    language = HostilePublisher(tmp_path).publish_honest()
    for old, new in ((model, tmp_path / "language.json"), (language, model)):
        assert main(["contract", "diff", str(old), str(new)]) == 2
        assert "nothing can be compared" in capsys.readouterr().err


def test_a_contract_may_be_as_large_as_its_format_says(tmp_path: Path) -> None:
    many = tuple(
        TensorInput(f"x{place}", "INT32", (4,), allowed=tuple(range(1_000_000, 1_001_024))) for place in range(64)
    )
    contract: FunctionContract = replace(CONTRACT, dims=(), inputs=many, outputs=())
    path = tmp_path / "contract.json"
    path.write_bytes(render_contract(contract))
    assert path.stat().st_size > 500_000
    assert read_contract(path) == contract


def test_a_graph_is_read_by_itself(model: Path, tmp_path: Path) -> None:
    assert read_graph(model) == make_graph()
    assert read_graph(model / "graph.json") is None
    (tmp_path / "empty").mkdir()
    assert read_graph(tmp_path / "empty") is None
