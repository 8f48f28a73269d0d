"""Writes a graph as graph.json: the one spelling there is of it (RFC 8785 without fractions)."""

from __future__ import annotations

import json
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.graph.hex_float import render_hex_float
from ostiary.graph.sizes import Expression, Size
from ostiary.graph.values import GRAPH_FORMAT, AttributeValue, Graph, Node, TensorType

_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def render_graph(graph: Graph) -> bytes:
    """The bytes of graph.json."""
    return _encode(describe_graph(graph)).encode("utf-8", "surrogatepass")


def describe_graph(graph: Graph) -> dict[str, JsonValue]:
    """The graph as JSON."""
    return {
        "format": GRAPH_FORMAT,
        "version": graph.version,
        "name": graph.name,
        "dims": {item.name: {"min": item.min, "max": item.max} for item in graph.dims},
        "inputs": [{"name": item.name, **_describe_type(item.type)} for item in graph.inputs],
        "constants": [{"tensor": item.tensor, **_describe_type(item.type)} for item in graph.constants],
        "nodes": [_describe_node(node) for node in graph.nodes],
        "outputs": [{"name": item.name, "value": item.value} for item in graph.outputs],
    }


def _describe_node(node: Node) -> dict[str, JsonValue]:
    return {
        "op": node.op,
        "in": list(node.inputs),
        "out": [_describe_type(item) for item in node.outputs],
        "attrs": {name: _describe_value(value) for name, value in node.attributes.items()},
    }


def _describe_type(item: TensorType) -> dict[str, JsonValue]:
    return {"dtype": item.dtype.value, "shape": [describe_size(size) for size in item.shape]}


def describe_size(size: Size) -> JsonValue:
    """A number, or the text of an expression."""
    return size.text if isinstance(size, Expression) else size


def _describe_value(value: AttributeValue) -> JsonValue:
    if isinstance(value, tuple):
        return [describe_size(item) for item in value]
    if isinstance(value, float):
        return {"f": render_hex_float(value)}
    return value.text if isinstance(value, Expression) else value
