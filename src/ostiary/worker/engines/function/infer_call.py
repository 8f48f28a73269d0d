"""A call, held against what the function takes, before MLX sees any of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ostiary.core.frames import Tail
from ostiary.core.function_limits import MAX_GRAPH_RANK
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_DIMENSION
from ostiary.core.values import dataclass
from ostiary.graph.dtypes import Dtype
from ostiary.graph.function_contract import DATATYPES
from ostiary.graph.values import Graph
from ostiary.worker.engines.contract import Call, CallUnfit

INFER: Final = "infer"
_FIELDS: Final = {"name", "datatype", "shape"}


@dataclass(frozen=True, slots=True)
class InferCall:
    """Inputs in the order of the graph; each has the bytes that its shape needs."""

    id: int
    shapes: tuple[tuple[int, ...], ...]
    buffers: tuple[memoryview, ...]
    is_alone: bool = False
    """Whether it must not share a run with others."""

    @property
    def bytes(self) -> int:
        return sum(map(len, self.buffers))


def parse_call(call: Call, graph: Graph) -> InferCall:
    """Raises CallUnfit. Which sizes fit one another is for the interpreter to say."""
    if call.operation != INFER:
        raise CallUnfit("there is no such operation")
    told = call.body.get("inputs")
    if set(call.body) != {"inputs"} or not isinstance(told, list):
        raise CallUnfit("a call has a list of inputs, and nothing else")
    tail = _as_bytes(call.tail)
    found: dict[str, tuple[tuple[int, ...], memoryview]] = {}
    dtypes = {item.name: item.type.dtype for item in graph.inputs}
    start = 0
    for item in told:
        if not isinstance(item, dict) or set(item) != _FIELDS:
            raise CallUnfit("an input has a name, a datatype and a shape, and nothing else")
        name = item["name"]
        if not isinstance(name, str) or name not in dtypes or name in found:
            raise CallUnfit("an input is not one of the function's, or is there twice")
        if item["datatype"] != DATATYPES.get(dtypes[name]):
            raise CallUnfit(f"input {name} has another datatype than {DATATYPES.get(dtypes[name])}")
        shape = _parse_shape(item["shape"], name)
        end = start + math.prod(shape) * dtypes[name].bytes
        if end > len(tail):
            raise CallUnfit("there are fewer bytes than the inputs have")
        found[name] = shape, tail[start:end]
        start = end
    if len(found) != len(graph.inputs):
        raise CallUnfit("an input is missing")
    if start != len(tail):
        raise CallUnfit("there are more bytes than the inputs have")
    ordered = [found[item.name] for item in graph.inputs]
    return InferCall(call.id, tuple(shape for shape, _ in ordered), tuple(data for _, data in ordered))


def describe_outputs(
    graph: Graph, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[Dtype]
) -> dict[str, JsonValue]:
    """The body of an answer."""
    return {
        "outputs": [
            {"name": item.name, "datatype": DATATYPES[dtype], "shape": list(shape)}
            for item, shape, dtype in zip(graph.outputs, shapes, dtypes, strict=True)
        ]
    }


def _as_bytes(tail: Tail) -> memoryview:
    view = memoryview(tail)
    return view if view.format == "B" else view.cast("B")


def _parse_shape(value: JsonValue, name: str) -> tuple[int, ...]:
    sizes = value if isinstance(value, list) else [None]
    shape = tuple(
        size
        for size in sizes[: MAX_GRAPH_RANK + 1]
        if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_DIMENSION
    )
    if len(shape) != len(sizes) or len(shape) > MAX_GRAPH_RANK:
        raise CallUnfit(f"the shape of input {name} is not a list of sizes")
    return shape
