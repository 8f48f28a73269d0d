"""The facts of a function, from its graph and its contract."""

from __future__ import annotations

from collections import Counter

from ostiary.core.tickets import FunctionFacts
from ostiary.graph.estimate import estimate_call_bytes
from ostiary.graph.function_contract import DATATYPES
from ostiary.graph.values import Graph, TensorType


def describe_function(graph: Graph) -> FunctionFacts:
    """What the function takes and gives, and of what it is made."""
    types = graph.list_types()
    counts = Counter(node.op for node in graph.nodes)
    return FunctionFacts(
        name=graph.name,
        version=graph.version,
        nodes=len(graph.nodes),
        primitives=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        inputs=tuple(_describe(item.name, item.type) for item in graph.inputs),
        outputs=tuple(_describe(item.name, types[item.value]) for item in graph.outputs),
        dims=tuple((item.name, item.min, item.max) for item in graph.dims),
        call_bytes=estimate_call_bytes(graph),
    )


def _describe(name: str, item: TensorType) -> tuple[str, str, tuple[str, ...]]:
    return name, DATATYPES.get(item.dtype, str(item.dtype)), tuple(str(size) for size in item.shape)
