"""No integer that MLX computes lies outside of the range that is said of it."""

from __future__ import annotations

import random
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")

from ostiary.graph.call import Call, UnfitError  # noqa: E402
from ostiary.graph.dtypes import INTEGERS, UNSIGNED, Dtype  # noqa: E402
from ostiary.graph.infer_graph import infer_node  # noqa: E402
from ostiary.graph.ranges import find_ranges  # noqa: E402
from ostiary.graph.scope import Scope  # noqa: E402
from ostiary.graph.values import Graph, Input, Node, Output, TensorType  # noqa: E402
from ostiary.interpreter.operations import OPERATIONS  # noqa: E402
from ostiary.interpreter.tensor_bytes import MLX_DTYPES  # noqa: E402

pytestmark = pytest.mark.mlx

KINDS = (*sorted(INTEGERS), Dtype.BOOL)
SHAPE = (7,)
INPUTS = 5


def _choose(chance: random.Random, types: list[TensorType]) -> Node:
    """Some operation on some values; it need not be one that goes."""
    one, two, three = (chance.randrange(len(types)) for _ in range(3))
    op = chance.choice(
        "add subtract multiply negative abs maximum minimum remainder floor_divide bitwise_and as_type select "
        "sort cummax cummin concatenate argmax argsort reshape take max where_less searchsorted".split()
    )
    match op:
        case "negative" | "abs":
            return Node(op, (one,), (), {})
        case "as_type":
            return Node(op, (one,), (), {"dtype": chance.choice(KINDS)})
        case "select":
            return Node(op, (one, two, three), (), {})
        case "sort" | "argsort":
            return Node(op, (one,), (), {"axis": 0})
        case "cummax" | "cummin":
            flags = {name: chance.random() < 0.5 for name in ("reverse", "inclusive")}
            return Node(op, (one,), (), {"axis": 0, **flags})
        case "concatenate":
            return Node(op, (one, two), (), {"axis": 0})
        case "argmax":
            return Node(op, (one,), (), {"axis": 0, "keepdims": True})
        case "max":
            return Node(op, (one,), (), {"axes": (0,), "keepdims": True})
        case "reshape":
            return Node(op, (one,), (), {"shape": types[one].shape})
        case "take":
            return Node(op, (one, two), (), {"axis": 0})
        case "searchsorted":
            return Node(op, (one, two), (), {"right": True})
        case "where_less":
            return Node("less", (one, two), (), {})
        case _:
            return Node(op, (one, two), (), {})


@pytest.mark.parametrize("seed", range(40))
def test_what_is_computed_lies_within(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    known: dict[int, tuple[int, int]] = {}
    types: list[TensorType] = []
    values: list[Any] = []
    for number in range(INPUTS):
        dtype = chance.choice(KINDS)
        low = 0 if dtype in UNSIGNED or dtype is Dtype.BOOL else -chance.choice([0, 1, 3, 100])
        high = 1 if dtype is Dtype.BOOL else chance.choice([0, 1, 5, 127])
        known[number] = (low, high)
        types.append(TensorType(dtype, SHAPE))
        values.append(mx.array([chance.randint(low, high) for _ in range(SHAPE[0])], MLX_DTYPES[dtype]))
    nodes = []
    for _ in range(60):
        node = _choose(chance, types)
        kinds = tuple(types[item] for item in node.inputs)
        try:
            outputs = infer_node(node, kinds, Scope({}))
        except UnfitError:
            continue
        if outputs[0].dtype not in INTEGERS and outputs[0].dtype is not Dtype.BOOL:
            continue
        arrays = [values[item] for item in node.inputs]
        if node.op in {"remainder", "floor_divide"} and not mx.all(arrays[1] > 0).item():
            continue
        if node.op == "take" and not mx.all((arrays[1] >= 0) & (arrays[1] < kinds[0].shape[0])).item():
            continue
        nodes.append(Node(node.op, node.inputs, outputs, node.attributes))
        types += outputs
        values.append(OPERATIONS[node.op](Call(kinds, node.attributes, Scope({})), outputs)(*arrays))
    inputs = tuple(Input(f"x{number}", types[number]) for number in range(INPUTS))
    graph = Graph("g", (), inputs, (), tuple(nodes), (Output("y", 0),))
    ranges = find_ranges(graph, known)
    assert len(nodes) > 15
    for number, (value, found) in enumerate(zip(values, ranges, strict=True)):
        assert found is not None
        least, greatest = int(mx.min(value).item()), int(mx.max(value).item())
        assert found[0] <= least, (number, nodes[number - INPUTS])
        assert greatest <= found[1], (number, nodes[number - INPUTS])
