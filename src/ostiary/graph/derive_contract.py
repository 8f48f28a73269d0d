"""The contract that a graph has of itself: what it takes and gives, and no rule on the elements. Pure."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import refuse
from ostiary.graph.function_contract import DATATYPES, ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.independence import find_batch_axes
from ostiary.graph.rules import CONTRACT_MALFORMED
from ostiary.graph.values import Graph, TensorType

USUAL_BATCH: Final = "batch"


def derive_contract(graph: Graph) -> FunctionContract:
    """A beginning to edit; it agrees with its graph. Raises IntakeRefused where no contract could."""
    batch = find_usual_batch(graph)
    types = graph.list_types()
    return FunctionContract(
        name=graph.name,
        dims=tuple(ContractDim(item.name, item.min, item.max, item.name == batch) for item in graph.dims),
        inputs=tuple(
            TensorInput(item.name, _name_datatype(f"input {item.name}", item.type), item.type.shape)
            for item in graph.inputs
        ),
        outputs=tuple(
            TensorOutput(item.name, _name_datatype(f"output {item.name}", found), found.shape)
            for item, found in ((item, types[item.value]) for item in graph.outputs)
        ),
    )


def find_usual_batch(graph: Graph) -> str | None:
    """The dim that is called batch, where it is sure that no entry's result follows from another's."""
    is_there = any(item.name == USUAL_BATCH for item in graph.dims)
    return USUAL_BATCH if is_there and find_batch_axes(graph, USUAL_BATCH) is not None else None


def _name_datatype(what: str, item: TensorType) -> str:
    datatype = DATATYPES.get(item.dtype)
    if datatype is None:
        raise refuse(CONTRACT_MALFORMED, f"{what} is {item.dtype}, which no contract has a word for")
    return datatype
