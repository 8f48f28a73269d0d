"""`embed.load_function`: the same checks as behind the wall, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY
from function_models import CONTRACT, write_function

from ostiary import embed
from ostiary.core.text import quote_untrusted
from ostiary.errors import AnswerRefused, ContractRefused, EmbedRefused, Misuse, Refusal
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, sign_model

mx = pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
SCALED = [[1.0, 4.0, 9.0], [4.0, 10.0, 18.0]]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., embed.EmbeddedFunction]:
    def publish(contract: Any = CONTRACT) -> embed.EmbeddedFunction:
        model = write_function(tmp_path / "scaled", contract)
        return embed.load_function(model, key=sign_model(model), state=tmp_path / "state")

    return publish


def read_kinds(state: Path) -> list[tuple[str, str]]:
    with open_reader(state) as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    return [(entry.kind, str(entry.data.get("code", entry.data.get("form", "")))) for entry in entries]


def test_arrays_in_and_arrays_out(load: Callable[..., embed.EmbeddedFunction], tmp_path: Path) -> None:
    function = load()
    assert [item.name for item in (*function.inputs, *function.outputs)] == ["x", "y"]
    for given in (mx.array(ROWS), mx.array(ROWS)[:, ::-1][:, ::-1], ROWS):
        for outputs in (function(x=given), function({"x": given}), function(given)):
            assert outputs["y"].tolist() == SCALED
    assert ("model.embedded", "function") in read_kinds(tmp_path / "state")


def test_numpys_arrays_do_too(load: Callable[..., embed.EmbeddedFunction]) -> None:
    numpy = pytest.importorskip("numpy")
    assert load()(numpy.array(ROWS, "f4"))["y"].tolist() == SCALED


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([[1.0, 2.0]], "CONTRACT_SHAPE"),
        ([[1.0, 2.0, 11.0]], "CONTRACT_RANGE"),
        ([[1.0, float("nan"), 3.0]], "CONTRACT_NOT_FINITE"),
        ([[1, 2, 3]], "CONTRACT_DTYPE"),
        ([[1.0, 2.0, 3.0]] * 65, "CONTRACT_SHAPE"),
    ],
)
def test_what_does_not_fit_is_refused_and_recorded(
    load: Callable[..., embed.EmbeddedFunction], tmp_path: Path, given: Any, code: str
) -> None:
    function = load()
    with pytest.raises(ContractRefused) as caught:
        function(x=mx.array(given))
    assert (caught.value.code, caught.value.field) == (code, "x")
    assert ("work.refused", code) in read_kinds(tmp_path / "state")


def test_outputs_that_the_contract_rules_out(load: Callable[..., embed.EmbeddedFunction]) -> None:
    function = load(replace(CONTRACT, inputs=(replace(CONTRACT.inputs[0], range=None, is_finite=False),)))
    with pytest.raises(AnswerRefused, match="not finite"):
        function(x=mx.array([[float("inf"), 1.0, 1.0]]))


def test_what_only_the_interpreter_can_tell(
    load: Callable[..., embed.EmbeddedFunction], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.embed.function._read_memory_bytes", lambda: 64)
    function = load()
    with pytest.raises(EmbedRefused) as caught:
        function(x=ROWS)
    assert caught.value.code == "EMBED_INPUT"
    assert ("work.refused", "EMBED_INPUT") in read_kinds(tmp_path / "state")


def test_what_is_no_function(tmp_path: Path) -> None:
    honest = HostilePublisher(tmp_path).publish_honest()
    with pytest.raises(Misuse, match="no function"):
        embed.load_function(honest, key=sign_model(honest), state=tmp_path / "state")


def test_what_changed_since_it_was_signed(tmp_path: Path) -> None:
    model = write_function(tmp_path / "scaled")
    key = sign_model(model)
    data = bytearray((model / "graph.safetensors").read_bytes())
    data[-1] ^= 1
    (model / "graph.safetensors").write_bytes(data)
    with pytest.raises(Refusal) as caught:
        embed.load_function(model, key=key, state=tmp_path / "state")
    assert quote_untrusted("graph.safetensors") in caught.value.message
