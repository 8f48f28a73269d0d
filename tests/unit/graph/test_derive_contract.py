"""The contract that a graph has of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from function_models import CONTRACT, make_graph
from graph_forge import small_graph

from ostiary.errors import IntakeRefused
from ostiary.exporter.contract import Wishes, make_contract
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.derive_contract import derive_contract
from ostiary.graph.dtypes import Dtype
from ostiary.graph.values import Dim, Graph, Input, Node, Output, TensorType

FREE = TensorType(Dtype.COMPLEX64, (2,))


@pytest.mark.parametrize("graph", [small_graph(), make_graph()])
def test_it_agrees_with_its_graph_and_is_what_export_writes(graph: Graph) -> None:
    contract = derive_contract(graph)
    assert find_disagreement(graph, contract) is None
    assert contract == make_contract(graph, Wishes(None, {}, {}, False))
    assert contract.batch_dim == "batch"
    assert all((item.range, item.allowed, item.is_finite) == (None, (), False) for item in contract.inputs)


def test_entries_that_meet_are_no_batch() -> None:
    (x,) = CONTRACT.inputs
    kind = TensorType(Dtype.FLOAT32, x.shape)
    total = Node("sum", (0,), (TensorType(Dtype.FLOAT32, (3,)),), {"axes": (0,), "keepdims": False})
    graph = Graph("total", (Dim("batch", 1, 64),), (Input("x", kind),), (), (total,), (Output("y", 1),))
    assert derive_contract(graph).batch_dim is None


def test_complex_numbers_have_no_word() -> None:
    graph = replace(
        small_graph(), dims=(), inputs=(Input("z", FREE),), constants=(), nodes=(), outputs=(Output("z", 0),)
    )
    with pytest.raises(IntakeRefused, match="input z is complex64"):
        derive_contract(graph)
