"""A call is held against the graph before anything of it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from graph_builder import GraphBuilder

from ostiary.graph.dtypes import Dtype
from ostiary.worker.engines.contract import Call, CallUnfit
from ostiary.worker.engines.function.infer_call import InferCall, parse_call


def _graph() -> GraphBuilder:
    b = GraphBuilder()
    n = b.dim("n")
    x, y = b.input(Dtype.FLOAT32, n, 2), b.input(Dtype.UINT8)
    b.output(b.add("add", x, y))
    return b


def _x(**changes: Any) -> dict[str, Any]:
    return {"name": "x0", "datatype": "FP32", "shape": [3, 2], **changes}


Y: Mapping[str, Any] = {"name": "x1", "datatype": "UINT8", "shape": []}


def _parse(body: object, tail: bytes = bytes(25), operation: str = "infer") -> InferCall:
    return parse_call(Call(7, operation, json.loads(json.dumps(body)), tail), _graph().graph)


def test_inputs_come_in_the_order_of_the_graph_whatever_their_order_was() -> None:
    tail = b"y" + b"x" * 24
    call = _parse({"inputs": [Y, _x()]}, tail)
    assert (call.id, call.shapes) == (7, ((3, 2), ()))
    assert [bytes(data) for data in call.buffers] == [b"x" * 24, b"y"]
    assert call.bytes == 25


@pytest.mark.parametrize(
    ("body", "tail"),
    [
        ({}, 25),
        ({"inputs": {}}, 25),
        ({"inputs": [_x(), Y], "outputs": []}, 25),
        ({"inputs": [_x(), 1]}, 25),
        ({"inputs": [_x()]}, 24),
        ({"inputs": [_x(), _x()]}, 48),
        ({"inputs": [_x(name="z"), Y]}, 25),
        ({"inputs": [_x(name=["x0"]), Y]}, 25),
        ({"inputs": [_x(datatype="FP16"), Y]}, 13),
        ({"inputs": [_x(datatype=None), Y]}, 25),
        ({"inputs": [_x(extra=1), Y]}, 25),
        ({"inputs": [_x(shape=6), Y]}, 25),
        ({"inputs": [_x(shape=[3, 2.0]), Y]}, 25),
        ({"inputs": [_x(shape=[3, True]), Y]}, 25),
        ({"inputs": [_x(shape=[-3, -2]), Y]}, 25),
        ({"inputs": [_x(shape=[1 << 31, 2]), Y]}, 25),
        ({"inputs": [_x(shape=[1] * 9), Y]}, 5),
        ({"inputs": [_x(shape=[2147483647] * 8), Y]}, 25),
        ({"inputs": [_x(), Y]}, 24),
        ({"inputs": [_x(), Y]}, 26),
        ({"inputs": [_x(shape=[4, 2]), Y]}, 25),
    ],
)
def test_a_call_that_is_none(body: object, tail: int) -> None:
    with pytest.raises(CallUnfit) as refused:
        _parse(body, bytes(tail))
    assert "\n" not in str(refused.value)


def test_another_operation() -> None:
    with pytest.raises(CallUnfit, match="no such operation"):
        _parse({"inputs": [_x(), Y]}, operation="generate")
