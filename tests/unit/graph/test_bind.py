"""A graph with numbers for its dims: held against its inputs once more, and measured."""

from __future__ import annotations

import pytest
from graph_forge import make_graph, small_graph

from ostiary.errors import IntakeRefused
from ostiary.graph.bind_graph import bind_graph
from ostiary.graph.dtypes import Dtype
from ostiary.graph.estimate import Estimate, estimate_graph
from ostiary.graph.infer_graph import check_graph
from ostiary.graph.sizes import Size, dim
from ostiary.graph.values import AttributeValue, Constant, Dim, Graph, Input, Node, Output, TensorType

F32 = Dtype.FLOAT32
H = dim("h")


def test_every_size_is_a_number_then() -> None:
    bound = bind_graph(small_graph(), {"batch": 7})
    assert bound.dims == ()
    assert [item.shape for item in bound.list_types()] == [(7, 4), (4,), (7, 4), (7,)]
    check_graph(bound)


@pytest.mark.parametrize("batch", [0, -1, 1 << 31])
def test_sizes_have_bounds(batch: int) -> None:
    with pytest.raises(IntakeRefused):
        bind_graph(small_graph(), {"batch": batch})


def _windows(least: int) -> Graph:
    """A window of 5 over h numbers."""
    attributes: dict[str, AttributeValue] = {
        "stride": (2,), "padding_low": (0,), "padding_high": (0,), "kernel_dilation": (1,),
        "input_dilation": (1,), "groups": 1, "flip": False,
    }  # fmt: skip
    out = (H - 5) // 2 + 1
    return Graph(
        "windows",
        (Dim("h", least, 100),),
        (Input("x", TensorType(F32, (1, H, 3))),),
        (Constant("w", TensorType(F32, (8, 5, 3))),),
        (Node("convolution", (0, 1), (TensorType(F32, (1, out, 8)),), attributes),),
        (Output("y", 2),),
    )


def test_what_fits_for_some_sizes_is_refused_for_the_others() -> None:
    graph = _windows(1)
    check_graph(graph)
    assert bind_graph(graph, {"h": 5}).nodes[0].outputs[0].shape == (1, 1, 8)
    assert bind_graph(graph, {"h": 12}).nodes[0].outputs[0].shape == (1, 4, 8)
    with pytest.raises(IntakeRefused, match=r"node 0 \(convolution\): a window that reaches over 5"):
        bind_graph(graph, {"h": 4})


def test_attributes_follow_dims_too() -> None:
    start = Node("slice", (0,), (TensorType(F32, (2,)),), {"start": (H - 2,), "stop": (H,), "step": (1,)})
    graph = Graph(
        "last", (Dim("h", 1, None),), (Input("x", TensorType(F32, (H,))),), (), (start,), (Output("y", 1),)
    )
    check_graph(graph)
    assert bind_graph(graph, {"h": 9}).nodes[0].attributes["start"] == (7,)
    with pytest.raises(IntakeRefused, match="does not lie within axis 0"):
        bind_graph(graph, {"h": 1})


def _strided(stride: Size, offset: Size) -> Graph:
    attributes: dict[str, AttributeValue] = {"shape": (2,), "strides": (stride,), "offset": offset}
    return Graph(
        "strided",
        (Dim("h", 1, 1_000),),
        (Input("x", TensorType(F32, (H,))),),
        (),
        (Node("as_strided", (0,), (TensorType(F32, (2,)),), attributes),),
        (Output("y", 1),),
    )


@pytest.mark.parametrize(("stride", "offset"), [(H - 50, 0), (1, H - 20), (50 - H, H - 1)], ids=str)
def test_a_size_that_a_call_makes_negative_leads_nowhere(stride: Size, offset: Size) -> None:
    graph = _strided(stride, offset)
    check_graph(graph)
    bind_graph(graph, {"h": 50})
    with pytest.raises(
        IntakeRefused, match=r"node 0 \(as_strided\): attribute (strides|offset) has a size below 0"
    ):
        bind_graph(graph, {"h": 10 if stride != 50 - H else 100})


def test_a_negative_number_is_no_place() -> None:
    node = Node("size_value", (), (TensorType(F32, ()),), {"size": H - 5, "dtype": F32})
    graph = Graph(
        "number", (Dim("h", 1, None),), (Input("x", TensorType(F32, (H,))),), (), (node,), (Output("y", 1),)
    )
    assert bind_graph(graph, {"h": 3}).nodes[0].attributes["size"] == -2


def test_what_spreads_further_than_engines_count_is_refused() -> None:
    attributes: dict[str, AttributeValue] = {
        "stride": (1 << 20,), "padding_low": (0,), "padding_high": (0,), "kernel_dilation": (1,),
        "input_dilation": (1 << 20,), "groups": 1, "flip": False,
    }  # fmt: skip
    graph = Graph(
        "apart",
        (Dim("h", 1, 5_000),),
        (Input("x", TensorType(F32, (1, H, 1))),),
        (Constant("w", TensorType(F32, (1, 1, 1))),),
        (Node("convolution", (0, 1), (TensorType(F32, (1, H, 1)),), attributes),),
        (Output("y", 2),),
    )
    bind_graph(graph, {"h": 2_048})
    with pytest.raises(IntakeRefused, match="spreads over"):
        bind_graph(graph, {"h": 2_049})


def test_the_estimate_of_a_small_graph() -> None:
    # x 3x4, bias 4, x + bias 3x4, sums 3; all float32
    assert estimate_graph(bind_graph(small_graph(), {"batch": 3})) == Estimate(
        constant_bytes=16, input_bytes=48, output_bytes=12, peak_bytes=48 + 48 + 12, work=12 + 12
    )


def test_what_is_not_needed_any_more_is_not_counted() -> None:
    kind = TensorType(F32, (1000,))
    nodes = tuple(Node("abs", (number,), (kind,), {}) for number in range(50))
    graph = Graph("chain", (), (Input("x", kind),), (), nodes, (Output("y", 50),))
    # The input, a result, and those of the ten operations before it and what the first of them took.
    assert estimate_graph(graph).peak_bytes == (1 + 1 + 10 + 1) * 4000
    kept = Graph("kept", (), (Input("x", kind),), (), nodes, tuple(Output(f"y{i}", i) for i in range(51)))
    assert estimate_graph(kept).peak_bytes == 51 * 4000


def test_views_take_no_memory_and_keep_what_they_look_at() -> None:
    kind, wide = TensorType(F32, (1000,)), TensorType(F32, (1000, 1000))
    nodes = (
        Node("abs", (0,), (kind,), {}),
        Node("broadcast_to", (1,), (wide,), {"shape": (1000, 1000)}),
        Node("sum", (2,), (kind,), {"axes": (0,), "keepdims": False}),
    )
    graph = Graph("views", (), (Input("x", kind),), (), nodes, (Output("y", 3),))
    estimate = estimate_graph(graph)
    assert (estimate.peak_bytes, estimate.work) == (3 * 4000, 1000 + 1_000_000)


@pytest.mark.parametrize("seed", range(10))
def test_any_graph_has_an_estimate(seed: int) -> None:
    graph = make_graph(seed, 30)
    estimate = estimate_graph(graph)
    assert estimate.peak_bytes >= estimate.input_bytes
    assert estimate.work >= 0
