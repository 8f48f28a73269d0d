"""`ostiary run` of a function from the command line to the last line: files, numbers, JSON, and what is held wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cell_tools import LINUX_ONLY
from function_models import CONTRACT, write_function

from ostiary.cli import ui
from ostiary.cli.main import main
from ostiary.graph.function_contract import TensorOutput
from ostiary.graph.render_contract import render_contract
from ostiary.library.npy import read_npy_file, render_npy
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs/reference/run.schema.json").read_text())
ASK = ["run", "scaled", "--key", "scaled.pub"]


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    sign_model(write_function(tmp_path / "scaled"), model_id="acme/scaled")
    with FakeEngine():
        yield tmp_path


def read_lines(out: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(line)
    return lines


def test_numbers_in_and_numbers_out(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--input", "x=[[1,2.5,-3],[4,5,6]]"]) == 0
    out, err = capfd.readouterr()
    assert out == "y: FP32 [2, 3]\n[[  1 2.5  -3]\n [  4   5   6]]\n"
    opened, computed, held = [line for line in err.splitlines() if "new record" not in line]
    assert opened.startswith("ostiary: acme/scaled: vouched for by key ")
    assert computed.startswith("ostiary: 24 B in, 24 B out, in ")
    assert held.endswith("layers, 600 s")


def test_files_in_and_files_out(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--input", "x=[[1,2.5,-3]]", "--output", "x.npy", "-q"]) == 0
    assert main([*ASK, "--input", "x.npy", "--output", "y=y.npy"]) == 0
    assert capfd.readouterr().out == ""
    assert Path("x.npy").read_bytes() == Path("y.npy").read_bytes()
    tensor = read_npy_file(Path("y.npy"))
    assert b"".join(bytes(part) for part in render_npy(tensor)) == Path("y.npy").read_bytes()
    assert not list(Path().glob(".*.tmp"))


@pytest.mark.mlx
def test_the_real_engine(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlx.core")
    from ostiary.library import engines

    with monkeypatch.context() as patch:
        patch.setattr(engines, "_instead", [])
        assert main([*ASK, "--input", "[[1,2,3]]", "--quiet"]) == 0
    assert capfd.readouterr().out == "y: FP32 [1, 3]\n[[1 4 9]]\n"


def test_for_machines(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--input", "x=[[1,2,3]]", "--json"]) == 0
    opened, computed = read_lines(capfd.readouterr().out)
    assert opened["engine"] == "fake"
    (output,) = computed["outputs"]
    assert output == {"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}
    assert computed["peak_bytes"] > 0
    assert main([*ASK, "--input", "x=[[1,2,3]]", "--output", "y.npy", "--json"]) == 0
    assert read_lines(capfd.readouterr().out)[1]["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [1, 3], "file": "y.npy"}
    ]
    assert main([*ASK, "--input", "x=[[1,2]]", "--json"]) == 3
    _, error = read_lines(capfd.readouterr().out)
    assert error["error"]["code"] == "CONTRACT_SHAPE"


def test_numbers_that_json_has_no_word_for(house: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    free = replace(
        CONTRACT,
        inputs=(replace(CONTRACT.inputs[0], range=None, is_finite=False),),
        outputs=(TensorOutput("y", "FP32", CONTRACT.outputs[0].shape),),
    )
    (house / "scaled" / "contract.json").write_bytes(render_contract(free))
    (house / "scaled" / "model.sig").unlink()
    sign_model(house / "scaled")
    Path("x.npy").write_bytes(_npy_of(b"\0\0\x80\x7f\0\0\x80\xff\0\0\xc0\x7f"))
    assert main([*ASK, "--input", "x.npy", "--json"]) == 0
    (output,) = read_lines(capfd.readouterr().out)[1]["outputs"]
    assert output["data"] == ["Infinity", "-Infinity", "NaN"]


def _npy_of(data: bytes) -> bytes:
    from ostiary.core.tensors import Tensor

    return b"".join(bytes(part) for part in render_npy(Tensor("FP32", (1, 3), memoryview(data))))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what is asked"),
        (["--prompt", "a", "--input", "x=1"], "say what is asked"),
        (["--prompt", "a"], "this is a function: it takes --input NAME=VALUE for x: FP32 [batch, 3]"),
        (["--prompt", "a", "--output", "y.npy"], "--output is for a function"),
        (["--input", "x=abc"], "is not JSON"),
        (["--input", "x=[[1,2,3]]", "--output", "z=y.npy"], "has no output 'z'"),
    ],
)
def test_held_wrong(words: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, *words]) == 2
    assert said in capfd.readouterr().err


def test_a_language_model_takes_no_arrays(house: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sign_model(HostilePublisher(house).publish_honest())
    assert main(["run", "honest", "--key", "honest.pub", "--input", "x=1"]) == 2
    assert "it takes --prompt TEXT" in capfd.readouterr().err


def test_a_file_that_carries_code(capfd: pytest.CaptureFixture[str]) -> None:
    Path("x.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00{'descr': __import__('os').system('id'), }".ljust(128))
    assert main([*ASK, "--input", "x.npy"]) == 3
    err = capfd.readouterr().err
    assert "INTAKE_" in err
    assert "x.npy" in err


def test_a_place_that_cannot_be_written(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--input", "x=[[1,2,3]]", "--output", "absent/y.npy"]) == 4
    assert "OUTPUT_UNWRITABLE" in capfd.readouterr().err


def test_a_name_on_a_terminal(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs are numbers: there is nothing in them that a terminal obeys."""
    monkeypatch.setattr(ui, "is_terminal", lambda: True)
    assert main([*ASK, "--input", "x=[[1,2,3]]", "-q"]) == 0
    assert capfd.readouterr().out == "y: FP32 [1, 3]\n[[1 2 3]]\n"
