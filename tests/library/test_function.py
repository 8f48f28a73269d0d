"""A function that a program opened, and calls: waiting, awaiting, and in the wrong way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY
from function_models import CONTRACT, write_function

import ostiary
from ostiary.errors import ContractRefused, Misuse
from ostiary.graph.dtypes import Dtype
from ostiary.graph.function_contract import FunctionContract, TensorOutput
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.sizes import dim
from ostiary.graph.values import Graph, Input, Node, Output, TensorType
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

numpy = pytest.importorskip("numpy")
pytestmark = LINUX_ONLY
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def publish(place: Path, contract: FunctionContract = CONTRACT) -> dict[str, Any]:
    model = write_function(place / "scaled", contract)
    return {"model": model, "key": sign_model(model), "state": place / "state"}


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ostiary.Model]:
    with FakeEngine(), ostiary.open(**publish(tmp_path)) as opened:
        yield opened


def test_what_it_takes_and_gives(model: ostiary.Model) -> None:
    (x,), (y,) = model.inputs, model.outputs
    assert (x.name, x.datatype, x.shape, x.is_finite, x.range) == ("x", "FP32", ("batch", 3), True, (-10, 10))
    assert (y.name, y.datatype, y.shape, y.is_finite) == ("y", "FP32", ("batch", 3), True)


def test_however_its_input_is_given(model: ostiary.Model) -> None:
    array = numpy.array(ROWS, "f4")
    for outputs in (model(x=array), model({"x": array}), model(array), model(ROWS), model(x=array.T.copy().T)):
        assert list(outputs) == ["y"]
        assert len(outputs) == 1
        assert outputs["y"].dtype == numpy.float32
        assert outputs.only.tolist() == ROWS
        assert outputs.seconds > 0
        assert outputs.verdict is model.verdict
        assert outputs.correlation_id


@pytest.mark.mlx
def test_the_real_engine_and_arrays_of_mlx(tmp_path: Path) -> None:
    mx = pytest.importorskip("mlx.core")
    with ostiary.open(**publish(tmp_path)) as model:
        assert model.verdict.engine == "function"
        y = model(x=mx.array(ROWS)).only
        assert isinstance(y, mx.array)
        assert y.tolist() == [[1, 4, 9], [4, 10, 18]]
        assert model(x=ROWS, timeout=20).only.tolist() == [[1, 4, 9], [4, 10, 18]]


def test_what_does_not_fit_names_itself(model: ostiary.Model) -> None:
    with pytest.raises(ContractRefused) as caught:
        model(x=numpy.ones((2, 3)))
    assert (caught.value.field, caught.value.rule, caught.value.limit) == ("x", "datatype", "FP32")
    with pytest.raises(ContractRefused, match="above 0"):
        model(x=ROWS, timeout=0)


def test_a_function_says_nothing_and_a_language_model_takes_no_arrays(model: ostiary.Model, tmp_path: Path) -> None:
    for ask in (lambda: model.generate("a"), lambda: model.chat([{"role": "user", "content": "a"}])):
        with pytest.raises(Misuse) as caught:
            ask()
        assert "this is a function" in caught.value.message
        assert "model.inputs" in (caught.value.hint or "")
    honest = HostilePublisher(tmp_path).publish_honest()
    with ostiary.open(honest, key=sign_model(honest), state=tmp_path / "state") as language:
        assert language.inputs == language.outputs == ()
        with pytest.raises(Misuse, match="language model"):
            language(x=ROWS)


def test_inputs_that_are_given_twice_or_without_names(tmp_path: Path) -> None:
    two = replace(CONTRACT, inputs=(*CONTRACT.inputs, replace(CONTRACT.inputs[0], name="z")))
    with FakeEngine(), ostiary.open(**publish_two(tmp_path, two)) as model:
        with pytest.raises(Misuse, match="not both"):
            model({"x": ROWS}, z=ROWS)
        with pytest.raises(Misuse, match="takes 2 inputs"):
            model(ROWS)
        assert sorted(model(x=ROWS, z=ROWS)) == ["w", "y"]
        with pytest.raises(Misuse, match="has 2 outputs"):
            _ = model(x=ROWS, z=ROWS).only


def publish_two(place: Path, contract: FunctionContract) -> dict[str, Any]:
    """Two inputs and two outputs: the first input again, and the second."""
    contract = replace(contract, outputs=(*contract.outputs, TensorOutput("w", "FP32", (dim("batch"), 3))))
    model = write_function(place / "two", CONTRACT)
    kind = TensorType(Dtype.FLOAT32, (dim("batch"), 3))
    graph = Graph(
        contract.name,
        contract.list_graph_dims(),
        tuple(Input(item.name, kind) for item in contract.inputs),
        (),
        (Node("add", (0, 1), (kind,), {}), Node("multiply", (0, 1), (kind,), {})),
        (Output("y", 2), Output("w", 3)),
    )
    (model / "graph.json").write_bytes(render_graph(graph))
    (model / "contract.json").write_bytes(render_contract(contract))
    (model / "graph.safetensors").unlink()
    return {"model": model, "key": sign_model(model), "state": place / "state"}


@pytest.mark.mlx
def test_settings_of_language_models(tmp_path: Path) -> None:
    pytest.importorskip("mlx.core")
    with pytest.raises(Misuse, match="a function: it has no adapter"):
        ostiary.open(**publish(tmp_path), adapter="style")


def test_after_it_was_closed(tmp_path: Path) -> None:
    with FakeEngine():
        model = ostiary.open(**publish(tmp_path))
        model.close()
        with pytest.raises(Misuse, match="was closed"):
            model(x=ROWS)


def test_awaited_side_by_side(tmp_path: Path) -> None:
    async def ask() -> None:
        async with ostiary.open_async(**publish(tmp_path)) as model:
            assert [item.name for item in (*model.inputs, *model.outputs)] == ["x", "y"]
            many = await asyncio.gather(*(model(x=[[float(n % 10)] * 3]) for n in range(40)))
            assert [outputs.only.tolist() for outputs in many] == [[[float(n % 10)] * 3] for n in range(40)]
            with pytest.raises(ContractRefused):
                await model(x=[[1, 2]])
            with pytest.raises(Misuse, match="this is a function"):
                await model.generate("a")
        with pytest.raises(Misuse, match="was closed"):
            await model(x=ROWS)

    with FakeEngine():
        asyncio.run(ask())


def test_a_task_that_is_cancelled_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker goes on with others."""

    async def ask() -> None:
        async with ostiary.open_async(**publish(tmp_path)) as model:
            cell = model._opened._opened.cell
            call = cell.call
            slow = {"milliseconds": 60_000}

            def sleep(_operation: str, _body: Any, _tail: Any, **options: Any) -> Any:
                return call("sleep", slow, **options)

            monkeypatch.setattr(cell, "call", sleep)
            task = asyncio.create_task(model(x=ROWS))
            while not cell.read_usage().requests and not task.done() and not _in_flight(cell):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            monkeypatch.setattr(cell, "call", call)
            assert (await model(x=ROWS)).only.tolist() == ROWS

    with FakeEngine():
        asyncio.run(ask())


def _in_flight(cell: Any) -> int:
    return int(cell._process._calls.in_flight)
