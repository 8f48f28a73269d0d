"""Inputs from the command line, and outputs on a terminal."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from function_models import CONTRACT

from ostiary.cli.run_function import Computed as Done
from ostiary.cli.run_function import list_numbers, render_outputs
from ostiary.cli.run_inputs import read_inputs, read_outputs
from ostiary.core.tensors import Tensor
from ostiary.core.tickets import AnsweredTensors
from ostiary.errors import IntakeRefused, Misuse
from ostiary.library.npy import render_npy

TWO = replace(
    CONTRACT,
    inputs=(*CONTRACT.inputs, replace(CONTRACT.inputs[0], name="z")),
    outputs=(*CONTRACT.outputs, replace(CONTRACT.outputs[0], name="w")),
)
ROW = Tensor("FP32", (1, 3), memoryview(struct.pack("<3f", 1, 2.5, -3)))


def show(**outputs: Tensor) -> str:
    return "\n".join(render_outputs(Done(AnsweredTensors(outputs, 0.1), 0, {}, "id")))


def test_numbers_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.npy").write_bytes(b"".join(bytes(part) for part in render_npy(ROW)))
    Path("x.json").write_text("[[1, 2.5, -3]]")
    assert read_inputs(["x=[[1, 2.5, -3]]"], CONTRACT) == {"x": [[1, 2.5, -3]]}
    assert read_inputs(["x=x.json"], CONTRACT) == {"x": [[1, 2.5, -3]]}
    assert read_inputs(["[[1, 2.5, -3]]"], CONTRACT) == {"x": [[1, 2.5, -3]]}
    for text in ("x=x.npy", "x.npy"):
        tensor = read_inputs([text], CONTRACT)["x"]
        assert tensor == ROW
    assert read_inputs(["z=1", "x=true"], TWO) == {"x": True, "z": 1}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["x=[1", "z=1"], "is not JSON"),
        (["x=abc", "z=1"], "is not JSON"),
        (['x="abc"', "z=1"], "neither a number nor a list"),
        (["x={}", "z=1"], "neither a number nor a list"),
        (["x=1", "x=2"], "given twice"),
        (["[1]"], "wants NAME=VALUE; the names are x, z"),
        (["x=absent.npy", "z=1"], "absent.npy cannot be read"),
        (["x=absent.json", "z=1"], "absent.json cannot be read"),
        (["x=[NaN]", "z=1"], "the value is not JSON: it holds NaN"),
    ],
)
def test_what_is_no_input(said: list[str], words: str) -> None:
    with pytest.raises(Misuse) as caught:
        read_inputs(said, TWO)
    assert words in caught.value.message


def test_a_file_that_only_calls_itself_an_array(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00{'descr': __import__('os').system('id'), }".ljust(128))
    with pytest.raises(IntakeRefused) as caught:
        read_inputs([f"x={path}"], CONTRACT)
    assert "x.npy" in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_outputs_go_to_arrays_one_each() -> None:
    assert read_outputs(["y.npy"], CONTRACT) == {"y": Path("y.npy")}
    assert read_outputs(["w=b.npy", "y=a.npy"], TWO) == {"w": Path("b.npy"), "y": Path("a.npy")}
    for said in (["y=a.txt"], ["y=a.npy", "w=a.npy"], ["v=a.npy"], ["a.npy"]):
        with pytest.raises(Misuse):
            read_outputs(said, TWO)


def test_rows_are_shown_below_one_another() -> None:
    assert show(y=ROW) == "y: FP32 [1, 3]\n[[  1 2.5  -3]]"
    cube = Tensor("INT8", (2, 2, 2), memoryview(bytes(range(8))))
    assert show(y=cube) == "y: INT8 [2, 2, 2]\n[[[0 1]\n  [2 3]]\n [[4 5]\n  [6 7]]]"
    assert show(y=Tensor("BOOL", (), memoryview(b"\1"))) == "y: BOOL []\nTrue"
    assert show(y=Tensor("FP32", (0, 3), memoryview(b""))) == "y: FP32 [0, 3]\n[]"
    assert show(y=Tensor("FP32", (2**31 - 1, 0), memoryview(b""))) == "y: FP32 [2147483647, 0]\n[]"
    assert show(y=Tensor("UINT8", (5000,), memoryview(bytes(5000)))).endswith("keep them with --output FILE.npy")


def test_a_name_cannot_write_to_the_terminal() -> None:
    assert "\x1b" not in show(**{"y\x1b[2J": ROW})


def test_half_numbers_are_read_as_what_they_are() -> None:
    assert list_numbers(Tensor("BF16", (2,), memoryview(b"\x80\x3f\x20\xc0"))) == [1.0, -2.5]
    assert list_numbers(Tensor("FP16", (1,), memoryview(b"\x00\x3c"))) == [1.0]
