"""Fuzzes functions: whatever graph the bytes become, a real worker behind the wall answers or refuses it, and goes on.

What inference takes is made of the bytes by tests/graph_maker.py, or its attributes are then changed at random, so
that the readers have to notice. A worker that ends by anything is what this looks for.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["ostiary.graph"]):
    from graph_builder import GraphBuilder
    from graph_maker import GraphMaker, pick
    from many_graphs.host import open_worker, run_graph

from cell_tools import Events

from ostiary.cell.running import RunningCell
from ostiary.graph.values import AttributeValue, Node

_OPEN = ExitStack()
_CELLS: list[RunningCell] = []


class Bytes:
    """Chance as a fuzzer has it."""

    def __init__(self, data: bytes) -> None:
        self._provider = atheris.FuzzedDataProvider(data)

    def below(self, end: int) -> int:
        return int(self._provider.ConsumeIntInRange(0, end - 1)) if end > 1 else 0


def _change(builder: GraphBuilder, chance: Bytes) -> None:
    """One attribute, claim or input of one node."""
    nodes = builder._nodes
    if not nodes:
        return
    number = chance.below(len(nodes))
    node = nodes[number]
    match chance.below(3):
        case 0 if node.attributes:
            name = pick(chance, sorted(node.attributes))
            nodes[number] = replace(
                node, attributes={**node.attributes, name: _other(node.attributes[name], chance)}
            )
        case 1 if node.inputs:
            first = len(builder.graph.inputs) + sum(len(item.outputs) for item in nodes[:number])
            inputs = list(node.inputs)
            inputs[chance.below(len(inputs))] = chance.below(first + 1)
            nodes[number] = replace(node, inputs=tuple(inputs))
        case _:
            nodes[number] = _claim(node, chance)


def _other(value: AttributeValue, chance: Bytes) -> AttributeValue:
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        changed = [chance.below(9) - 2 for _ in value] or [1]
        return tuple(changed[: len(changed) - chance.below(2)])
    if isinstance(value, int):
        return pick(chance, (-1, 0, 1, 7, 1 << 31, 1 << 62))
    return pick(chance, (float("nan"), float("inf"), -1.0, 0.0)) if isinstance(value, float) else value


def _claim(node: Node, chance: Bytes) -> Node:
    first, *rest = node.outputs
    shape = tuple(chance.below(5) for _ in range(chance.below(4)))
    return replace(node, outputs=(replace(first, shape=shape), *rest))


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    if not _CELLS:
        _CELLS.append(_OPEN.enter_context(open_worker(Events())))
    chance = Bytes(data)
    changes = chance.below(3) == 0
    maker = GraphMaker(chance)
    builder = maker.make(1 + chance.below(8))
    inputs = [(item.type.shape, maker.numbers(item.type)) for item in builder.graph.inputs]
    if changes:
        _change(builder, chance)
    found = run_graph(_CELLS[0], builder, *inputs)  # raises where the worker ended
    if found["end"] == "unreadable" and not changes:
        raise AssertionError(found["told"])
    if "\n" in found.get("told", ""):
        raise AssertionError(found["told"])


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for seed in range(16):
        (place / str(seed)).write_bytes(bytes((seed * 37 + step * 101) % 256 for step in range(900)))
    atheris.Setup([*sys.argv, str(place)], TestOneInput)
    atheris.Fuzz()
