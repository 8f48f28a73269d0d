"""Holds a contract against the graph that it is for."""

from __future__ import annotations

from ostiary.graph.function_contract import DTYPES, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.values import Graph, TensorType


def find_disagreement(graph: Graph, contract: FunctionContract) -> str | None:
    """The first thing that the two say differently, as one clause; None if they agree."""
    if graph.name != contract.name:
        return "the names of graph and contract differ"
    if graph.dims != contract.list_graph_dims():
        return "the dims of graph and contract differ"
    types = graph.list_types()
    return _compare("input", [(item.name, item.type) for item in graph.inputs], contract.inputs) or _compare(
        "output", [(item.name, types[item.value]) for item in graph.outputs], contract.outputs
    )


def _compare(
    kind: str, real: list[tuple[str, TensorType]], stated: tuple[TensorInput, ...] | tuple[TensorOutput, ...]
) -> str | None:
    if len(real) != len(stated):
        return f"the graph has {len(real)} {kind}s and the contract {len(stated)}"
    for number, (name, item) in enumerate(real):
        claim = stated[number]
        if name != claim.name:
            return f"{kind} {number} has another name in the graph"
        if item.dtype is not DTYPES[claim.datatype]:
            return f"{kind} {name} is {item.dtype} in the graph and {claim.datatype} in the contract"
        if item.shape != claim.shape:
            return f"{kind} {name} has another shape in the graph"
    return None
