"""Small functions as model directories, written by hand: for tests that need one and no MLX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ostiary.graph.dtypes import Dtype
from ostiary.graph.function_contract import DTYPES, ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.sizes import dim
from ostiary.graph.values import Constant, Graph, Input, Node, Output, TensorType
from ostiary.testing import safetensors_file

BATCH = dim("batch")
CONTRACT = FunctionContract(
    "scaled",
    (ContractDim("batch", 1, 64, True),),
    (TensorInput("x", "FP32", (BATCH, 3), True, (-10.0, 10.0)),),
    (TensorOutput("y", "FP32", (BATCH, 3), True),),
)
"""y = x * scale, each of three columns by its own."""
SCALE = (1.0, 2.0, 3.0)


def make_graph(contract: FunctionContract = CONTRACT) -> Graph:
    (x,) = contract.inputs
    kind = TensorType(DTYPES[x.datatype], x.shape)
    return Graph(
        contract.name,
        contract.list_graph_dims(),
        (Input("x", kind),),
        (Constant("scale", TensorType(Dtype.FLOAT32, (3,))),),
        (Node("multiply", (0, 1), (kind,), {}),),
        (Output("y", 2),),
    )


def write_function(place: Path, contract: FunctionContract = CONTRACT) -> Path:
    """A model directory that is complete, and not signed."""
    place.mkdir(parents=True)
    for name, data in list_files(contract).items():
        (place / name).write_bytes(data)
    return place


def list_files(contract: FunctionContract = CONTRACT) -> Mapping[str, bytes]:
    import struct

    return {
        "graph.json": render_graph(make_graph(contract)),
        "graph.safetensors": safetensors_file({"scale": ((3,), struct.pack("<3f", *SCALE))}, "F32"),
        "contract.json": render_contract(contract),
    }


ECHO = FunctionContract(
    "echo",
    (ContractDim("batch", 1, None, True),),
    tuple(TensorInput(f"in_{word}", word, (BATCH, 2)) for word in DTYPES),
    tuple(TensorOutput(f"out_{word}", word, (BATCH, 2)) for word in DTYPES),
)
"""What goes in comes out: one of each datatype."""


def write_echo(place: Path, contract: FunctionContract = ECHO) -> Path:
    """As `write_function`: each output is the input in its place."""
    place.mkdir(parents=True)
    graph = Graph(
        contract.name,
        contract.list_graph_dims(),
        tuple(Input(item.name, TensorType(DTYPES[item.datatype], item.shape)) for item in contract.inputs),
        (),
        (),
        tuple(Output(item.name, number) for number, item in enumerate(contract.outputs)),
    )
    (place / "graph.json").write_bytes(render_graph(graph))
    (place / "graph.safetensors").write_bytes(safetensors_file({}, "F32"))
    (place / "contract.json").write_bytes(render_contract(contract))
    return place
