"""Graphs for tests, node by node: inference says what each gives, unless a test claims something else."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from ostiary.graph.dtypes import Dtype
from ostiary.graph.function_contract import (
    DATATYPES,
    ContractDim,
    FunctionContract,
    TensorInput,
    TensorOutput,
)
from ostiary.graph.infer_graph import infer_node, make_scope
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.sizes import Size, dim
from ostiary.graph.values import Constant, Dim, Graph, Input, Node, Output, TensorType

SAFETENSORS = {
    Dtype.BOOL: "BOOL",
    Dtype.UINT8: "U8",
    Dtype.UINT16: "U16",
    Dtype.UINT32: "U32",
    Dtype.UINT64: "U64",
    Dtype.INT8: "I8",
    Dtype.INT16: "I16",
    Dtype.INT32: "I32",
    Dtype.INT64: "I64",
    Dtype.FLOAT16: "F16",
    Dtype.BFLOAT16: "BF16",
    Dtype.FLOAT32: "F32",
    Dtype.COMPLEX64: "C64",
}
CODES = {
    Dtype.BOOL: "B",
    Dtype.UINT8: "B",
    Dtype.UINT16: "H",
    Dtype.UINT32: "I",
    Dtype.UINT64: "Q",
    Dtype.INT8: "b",
    Dtype.INT16: "h",
    Dtype.INT32: "i",
    Dtype.INT64: "q",
    Dtype.FLOAT16: "e",
    Dtype.FLOAT32: "f",
}


def pack(dtype: Dtype, numbers: Sequence[float]) -> bytes:
    whole = [int(number) for number in numbers] if dtype.is_integer or dtype is Dtype.BOOL else numbers
    return struct.pack(f"<{len(numbers)}{CODES[dtype]}", *whole)


class GraphBuilder:
    """First dims and inputs, then constants, then nodes; each call gives the number of the value."""

    def __init__(self, name: str = "built") -> None:
        self.name = name
        self._dims: list[Dim] = []
        self._batch: str | None = None
        self._inputs: list[Input] = []
        self._constants: list[Constant] = []
        self._data: dict[str, tuple[Dtype, tuple[int, ...], bytes]] = {}
        self._nodes: list[Node] = []
        self._types: list[TensorType] = []
        self._outputs: list[Output] = []

    def dim(self, name: str, low: int = 1, high: int | None = None, *, is_batch: bool = False) -> Size:
        self._dims.append(Dim(name, low, high))
        if is_batch:
            self._batch = name
        return dim(name)

    def input(self, dtype: Dtype, *shape: Size) -> int:
        assert not self._constants
        assert not self._nodes
        return self._add_type(TensorType(dtype, shape), self._inputs, Input)

    def constant(self, dtype: Dtype, shape: tuple[int, ...], numbers: Sequence[float]) -> int:
        assert not self._nodes
        name = f"c{len(self._constants)}"
        self._data[name] = (dtype, shape, pack(dtype, numbers))
        self._constants.append(Constant(name, TensorType(dtype, shape)))
        self._types.append(TensorType(dtype, shape))
        return len(self._types) - 1

    def add(self, op: str, *values: int, claims: Sequence[TensorType] | None = None, **attributes: Any) -> int:
        """The first of its results; the others follow it."""
        node = Node(op, values, tuple(claims or ()), attributes)
        scope = make_scope(tuple(self._dims))
        outputs = tuple(claims or infer_node(node, tuple(self._types[value] for value in values), scope))
        self._nodes.append(Node(op, values, outputs, attributes))
        self._types += outputs
        return len(self._types) - len(outputs)

    def output(self, *values: int) -> GraphBuilder:
        for value in values:
            self._outputs.append(Output(f"y{len(self._outputs)}", value))
        return self

    def type_of(self, value: int) -> TensorType:
        return self._types[value]

    @property
    def graph(self) -> Graph:
        return Graph(
            self.name,
            tuple(sorted(self._dims, key=lambda item: item.name)),
            tuple(self._inputs),
            tuple(self._constants),
            tuple(self._nodes),
            tuple(self._outputs),
        )

    @property
    def contract(self) -> FunctionContract:
        graph = self.graph
        return FunctionContract(
            self.name,
            tuple(ContractDim(item.name, item.min, item.max, item.name == self._batch) for item in graph.dims),
            tuple(TensorInput(item.name, DATATYPES[item.type.dtype], item.type.shape) for item in graph.inputs),
            tuple(
                TensorOutput(item.name, DATATYPES[self._types[item.value].dtype], self._types[item.value].shape)
                for item in graph.outputs
            ),
        )

    @property
    def contents(self) -> Mapping[str, bytes]:
        return {"graph.json": render_graph(self.graph), "contract.json": render_contract(self.contract)}

    @property
    def weights(self) -> Mapping[str, bytes]:
        return {"graph.safetensors": write_safetensors(self._data)}

    @property
    def data(self) -> Mapping[str, tuple[Dtype, tuple[int, ...], bytes]]:
        return self._data

    def _add_type(self, item: TensorType, items: list[Input], make: type[Input]) -> int:
        items.append(make(f"x{len(items)}", item))
        self._types.append(item)
        return len(self._types) - 1


def write_safetensors(tensors: Mapping[str, tuple[Dtype, tuple[int, ...], bytes]]) -> bytes:
    header, data = {}, b""
    for name, (dtype, shape, numbers) in sorted(tensors.items()):
        header[name] = {
            "dtype": SAFETENSORS[dtype],
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(numbers)],
        }
        data += numbers
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def make_call(
    builder: GraphBuilder, *inputs: tuple[tuple[int, ...], Sequence[float]]
) -> tuple[dict[str, Any], bytes]:
    """Body and tail of a call: for each input its shape and its numbers."""
    told, tail = [], b""
    for item, (shape, numbers) in zip(builder.graph.inputs, inputs, strict=True):
        told.append({"name": item.name, "datatype": DATATYPES[item.type.dtype], "shape": list(shape)})
        tail += pack(item.type.dtype, numbers)
    return {"inputs": told}, tail
