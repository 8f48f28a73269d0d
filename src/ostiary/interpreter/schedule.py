"""When to compute what was called so far: as late as memory allows. Pure.

Arrays that nobody computed yet cost nothing, and computing many at once is faster than one by one. But MLX chooses
the order among them itself, and may hold all of them, and what their operations need for themselves, at one time.
So as many are computed together as fit in memory even then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.core.values import dataclass
from ostiary.graph.call import Call
from ostiary.graph.estimate import count_bytes, count_scratch, find_last_uses, find_roots, measure_values
from ostiary.graph.primitive import Hazard
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.scope import Scope
from ostiary.graph.values import Graph, Node
from ostiary.interpreter.unfit import CallTooLarge

_ARRAYS_OF_GUARDS: Final = 4


@dataclass(frozen=True, slots=True)
class Pause:
    """Right before a node: what was called so far is computed, and what no later node needs is let go."""

    needed: tuple[int, ...]
    """Numbers of values that are computed."""
    ended: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    pauses: Mapping[int, Pause]
    """By number of a node."""
    peak_bytes: int
    """The most that there can be at once beside inputs and constants."""


def make_schedule(graph: Graph, nodes: Sequence[int], budget_bytes: int) -> Schedule:
    """`nodes`: the numbers of those called. `graph` was bound. Raises CallTooLarge where memory is short."""
    types = graph.list_types()
    first = len(graph.inputs) + len(graph.constants)
    roots = find_roots(graph, len(types), first)
    last = find_last_uses(graph, roots)
    starts = _number_values(graph, first)
    measured = measure_values(graph, types, first)
    sizes = {value: measured[value] for value in range(first, len(types)) if roots[value] == value}
    held: set[int] = set()  # computed, and needed later
    begun: set[int] = set()  # called, and not computed yet
    held_bytes = begun_bytes = peak = 0
    pauses: dict[int, Pause] = {}
    for number in nodes:
        node, start = graph.nodes[number], starts[number]
        results = range(start, start + len(node.outputs))
        call = Call(tuple(types[value] for value in node.inputs), node.attributes, Scope({}))
        cost = sum(sizes.get(value, 0) for value in results) + count_scratch(node, call) + _count_guards(node, call)
        if held_bytes + begun_bytes + cost > budget_bytes and begun:
            ended = {value for value in held | begun if last[roots[value]] < number}
            pauses[number] = Pause(tuple(sorted(begun - ended)), tuple(sorted(ended)))
            held = (held | begun) - ended
            begun = set()
            held_bytes, begun_bytes = sum(sizes.get(value, 0) for value in {roots[item] for item in held}), 0
        if held_bytes + begun_bytes + cost > budget_bytes:
            raise CallTooLarge(
                f"it would take {held_bytes + cost:,} bytes at once beside what goes in and comes out; "
                f"there are {max(budget_bytes, 0):,}"
            )
        begun.update(results)
        begun_bytes += cost
        peak = max(peak, held_bytes + begun_bytes)
    return Schedule(pauses, peak)


def _count_guards(node: Node, call: Call) -> int:
    """What a guard computes beside the operation: a few arrays as large as what it looks at."""
    hazards = PRIMITIVES[node.op].hazards
    if not hazards:
        return 0
    guarded = call.inputs[1:] if hazards == (Hazard.INDEX,) else call.inputs
    return _ARRAYS_OF_GUARDS * sum(count_bytes(item) for item in guarded)


def _number_values(graph: Graph, first: int) -> list[int]:
    """The number of the first value of each node."""
    starts = []
    for node in graph.nodes:
        starts.append(first)
        first += len(node.outputs)
    return starts
