"""Graphs for tests: small ones by hand, and any number of valid ones from samples of every primitive."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from graph_cases import Sample, all_samples

from ostiary.graph.call import UnfitError
from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_graph import infer_node
from ostiary.graph.render_graph import render_graph
from ostiary.graph.scope import Scope
from ostiary.graph.sizes import dim
from ostiary.graph.values import Constant, Dim, Graph, Input, Node, Output, TensorType

BATCH = dim("batch")
F32 = Dtype.FLOAT32


def small_graph() -> Graph:
    """sum over columns of x + bias, of any number of rows."""
    rows = TensorType(F32, (BATCH, 4))
    return Graph(
        "small",
        (Dim("batch", 1, None),),
        (Input("x", rows),),
        (Constant("bias", TensorType(F32, (4,))),),
        (
            Node("add", (0, 1), (rows,), {}),
            Node("sum", (2,), (TensorType(F32, (BATCH,)),), {"axes": (1,), "keepdims": False}),
        ),
        (Output("y", 3),),
    )


def small_json() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(render_graph(small_graph()))
    return value


def spell(value: object) -> bytes:
    """Canonical, whatever it says."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def infer(sample: Sample) -> tuple[TensorType, ...] | None:
    """The results; None where the sample is refused."""
    types = tuple(TensorType(dtype, shape) for dtype, shape in sample.inputs)
    try:
        return infer_node(Node(sample.op, (), (), sample.attributes), types, Scope({}))
    except UnfitError:
        return None


@cache
def valid_samples() -> tuple[tuple[Sample, tuple[TensorType, ...]], ...]:
    pairs = ((sample, infer(sample)) for sample in all_samples())
    return tuple((sample, outputs) for sample, outputs in pairs if outputs is not None)


def make_graph(seed: int, nodes: int) -> Graph:
    """A valid graph: nodes of any kinds, fed by earlier results where types agree, else by inputs and constants."""
    chance = random.Random(seed)  # noqa: S311
    chosen = [chance.choice(valid_samples()) for _ in range(nodes)]
    fed: list[TensorType] = []
    by_type: dict[TensorType, list[int]] = {}
    plans: list[tuple[Sample, tuple[TensorType, ...], list[tuple[str, int]]]] = []
    made = 0
    for sample, outputs in chosen:
        sources = []
        for dtype, shape in sample.inputs:
            kind = TensorType(dtype, shape)
            earlier = by_type.get(kind, [])
            if earlier and chance.random() < 0.7:
                sources.append(("made", chance.choice(earlier)))
            else:
                sources.append(("fed", len(fed)))
                fed.append(kind)
        plans.append((sample, outputs, sources))
        for kind in outputs:
            by_type.setdefault(kind, []).append(made)
            made += 1
    return _assemble(fed, plans, made)


def _assemble(
    fed: Sequence[TensorType],
    plans: Sequence[tuple[Sample, tuple[TensorType, ...], list[tuple[str, int]]]],
    made: int,
) -> Graph:
    half = min(len(fed) // 2, 200)
    inputs = tuple(Input(f"i{number}", kind) for number, kind in enumerate(fed[:half]))
    constants = tuple(Constant(f"c{number}", kind) for number, kind in enumerate(fed[half:]))
    nodes = []
    for sample, outputs, sources in plans:
        numbers = tuple(place if kind == "fed" else len(fed) + place for kind, place in sources)
        nodes.append(Node(sample.op, numbers, outputs, dict(sample.attributes)))
    last = len(fed) + made - 1
    return Graph("made", (), inputs, constants, tuple(nodes), (Output("y", last), Output("first", 0)))
