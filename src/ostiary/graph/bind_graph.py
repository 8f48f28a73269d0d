"""A graph with a number for every dim: nothing is left open, and every node is held against its inputs again."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.core.findings import refuse
from ostiary.graph.infer_graph import check_graph
from ostiary.graph.rules import GRAPH_UNFIT
from ostiary.graph.sizes import Expression, evaluate_size
from ostiary.graph.values import AttributeValue, Graph, Input, Node, TensorType


def bind_graph(graph: Graph, dims: Mapping[str, int]) -> Graph:
    """`graph` for calls in which the dims have these sizes. Refuses sizes for which it cannot run.

    `dims` has a number for each dim of the graph; whether it lies within its bounds is checked here.
    """
    for item in graph.dims:
        size = dims[item.name]
        if size < item.min or (item.max is not None and size > item.max):
            raise refuse(GRAPH_UNFIT, f"dim {item.name} is {size}, outside of its bounds")
    bound = Graph(
        name=graph.name,
        dims=(),
        inputs=tuple(Input(item.name, _bind_type(item.type, dims)) for item in graph.inputs),
        constants=graph.constants,
        nodes=tuple(_bind_node(node, dims) for node in graph.nodes),
        outputs=graph.outputs,
        version=graph.version,
    )
    check_graph(bound)
    return bound


def _bind_type(item: TensorType, dims: Mapping[str, int]) -> TensorType:
    if all(isinstance(size, int) for size in item.shape):
        return item
    return TensorType(item.dtype, tuple(evaluate_size(size, dims) for size in item.shape))


def _bind_node(node: Node, dims: Mapping[str, int]) -> Node:
    attributes = {name: _bind_value(value, dims) for name, value in node.attributes.items()}
    return Node(node.op, node.inputs, tuple(_bind_type(item, dims) for item in node.outputs), attributes)


def _bind_value(value: AttributeValue, dims: Mapping[str, int]) -> AttributeValue:
    if isinstance(value, Expression):
        return evaluate_size(value, dims)
    if isinstance(value, tuple):
        return tuple(evaluate_size(item, dims) for item in value)
    return value
