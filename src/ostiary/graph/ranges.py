"""What integers a graph can compute: ends that they never pass. An index within them needs no guard when it runs.

Floats are not followed. What is not known to be narrower has the ends of its type; nothing is known of 64 bits that
a sum could pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ostiary.graph.call import Call
from ostiary.graph.dtypes import INTEGERS, UNSIGNED, Dtype
from ostiary.graph.infer_graph import make_scope
from ostiary.graph.primitive import Hazard, IndexBound
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.scope import Scope
from ostiary.graph.shapes import count_elements
from ostiary.graph.sizes import Size
from ostiary.graph.values import Graph, Node, TensorType

Range: TypeAlias = tuple[int, int]
"""The least and the greatest."""

_DIVISOR: Final = 1  # the input of a division or a power that can go wrong


def find_proven(graph: Graph, known: Mapping[int, Range] | None = None) -> dict[int, frozenset[int]]:
    """By number of a node, those of its inputs that cannot go wrong, whatever a call gives: they need no guard.

    `known` has ends of values that somebody measured or that a contract promises: inputs and constants, by number.
    """
    scope = make_scope(graph.dims)
    types = graph.list_types()
    ranges = find_ranges(graph, known)
    proven = {}
    for number, node in enumerate(graph.nodes):
        row = PRIMITIVES[node.op]
        if not row.hazards:
            continue
        call = Call(tuple(types[value] for value in node.inputs), node.attributes, scope)
        safe = {
            bound.input
            for bound in (row.bounds(call) if row.bounds else ())
            if _lies_within(ranges[node.inputs[bound.input]], bound, scope)
        }
        if _divides_safely(row.hazards, [ranges[value] for value in node.inputs]):
            safe.add(_DIVISOR)
        if safe:
            proven[number] = frozenset(safe)
    return proven


def _lies_within(found: Range | None, bound: IndexBound, scope: Scope) -> bool:
    if found is None:
        return False
    lowest = [scope.bound(size)[1] for size in bound.lowest]
    highest = [scope.bound(size)[0] for size in bound.highest]
    return all(end is not None and found[0] >= end for end in lowest) and all(
        end is not None and found[1] <= end for end in highest
    )


def _divides_safely(hazards: tuple[Hazard, ...], inputs: list[Range | None]) -> bool:
    if Hazard.DIVISION in hazards or Hazard.EXPONENT in hazards:
        divisor = inputs[_DIVISOR]
        if divisor is None:
            return False
        if Hazard.EXPONENT in hazards:
            return divisor[0] >= 0
        return divisor[0] > 0 or divisor[1] < -1
    return False


def find_ranges(graph: Graph, known: Mapping[int, Range] | None = None) -> list[Range | None]:
    """For each value its ends; None of what is no integer. `known` as for `find_proven`."""
    scope = make_scope(graph.dims)
    types = graph.list_types()
    first = len(graph.inputs) + len(graph.constants)
    ranges = [_clip((known or {}).get(number), item.dtype) for number, item in enumerate(types[:first])]
    for node in graph.nodes:
        inputs = [ranges[value] for value in node.inputs]
        kinds = [types[value] for value in node.inputs]
        found = _follow(node, kinds, inputs, scope)
        for item in node.outputs:
            whole = _ends_of(item.dtype)
            # A result past the ends of its type wraps around, to anywhere.
            fits = found is not None and whole is not None and whole[0] <= found[0] and found[1] <= whole[1]
            ranges.append(found if fits else whole)
    return ranges


def _clip(found: Range | None, dtype: Dtype) -> Range | None:
    """What was promised, where it is possible."""
    whole = _ends_of(dtype)
    if found is None or whole is None:
        return whole
    return max(found[0], whole[0]), min(found[1], whole[1])


def _ends_of(dtype: Dtype) -> Range | None:
    if dtype is Dtype.BOOL:
        return 0, 1
    if dtype not in INTEGERS:
        return None
    bits = 8 * dtype.bytes
    return (0, (1 << bits) - 1) if dtype in UNSIGNED else (-(1 << bits - 1), (1 << bits - 1) - 1)


def _follow(node: Node, kinds: list[TensorType], inputs: list[Range | None], scope: Scope) -> Range | None:
    """The ends of a result, before it is known to fit its type; None if nothing is known."""
    if node.op in _PLACES:
        axis = node.attributes["axis"]
        return _up_to(kinds[0].shape[axis], scope) if isinstance(axis, int) else None
    if node.op in _FROM_SIZES:
        return _FROM_SIZES[node.op](node, kinds, scope)
    whole = [item for item in (inputs[i] for i in _pick_data(node.op, len(inputs))) if item is not None]
    if not whole:
        return None
    if node.op in _RUNNING and not node.attributes["inclusive"]:
        return None  # it begins with what every number replaces: the end of the type
    if node.op in _PASSING:
        return (min(low for low, _ in whole), max(high for _, high in whole)) if _all_known(node, inputs) else None
    rule = _ARITHMETIC.get(node.op)
    if rule is None or any(item is None for item in inputs):
        return None
    if any(item.dtype not in INTEGERS and item.dtype is not Dtype.BOOL for item in node.outputs):
        return None
    return rule(whole)


def _all_known(node: Node, inputs: list[Range | None]) -> bool:
    return all(inputs[i] is not None for i in _pick_data(node.op, len(inputs)))


def _pick_data(op: str, count: int) -> list[int]:
    """Which inputs are data that may come out again, not places or conditions."""
    if op == "select":
        return [1, 2]
    if op in {"take", "take_along_axis", "gather", "dynamic_slice"}:
        return [0]
    if op in {"scatter", "put_along_axis", "masked_scatter"}:
        return [0, count - 1]
    return [0, 1] if op in {"dynamic_slice_update", "slice_update"} else list(range(count))


_PLACES: Final = frozenset({"argmax", "argmin", "argsort", "argpartition"})
_RUNNING: Final = frozenset({"cummax", "cummin"})
_PASSING: Final = frozenset(
    {
        "as_strided",
        "as_type",
        "broadcast_to",
        "concatenate",
        "cummax",
        "cummin",
        "dynamic_slice",
        "dynamic_slice_update",
        "expand_dims",
        "gather",
        "masked_scatter",
        "max",
        "min",
        "pad",
        "partition",
        "reshape",
        "select",
        "slice",
        "sort",
        "split",
        "squeeze",
        "take",
        "take_along_axis",
        "transpose",
    }
)


def _up_to(size: Size, scope: Scope) -> Range | None:
    highest = scope.bound(size)[1]
    return None if highest is None else (0, max(highest - 1, 0))


def _follow_arange(node: Node, _kinds: list[TensorType], scope: Scope) -> Range | None:
    size, start, step = node.attributes["size"], node.attributes["start"], node.attributes["step"]
    highest = None if isinstance(size, tuple | str) else scope.bound(size)[1]  # type: ignore[arg-type]
    if highest is None or not isinstance(start, float) or not isinstance(step, float):
        return None
    if not start.is_integer() or not step.is_integer():
        return None
    ends = int(start), int(start) + int(step) * max(highest - 1, 0)
    return min(ends), max(ends)


def _follow_size(size: Size, scope: Scope) -> Range | None:
    low, high = scope.bound(size)
    return None if low is None or high is None else (low, high)


def _follow_size_value(node: Node, _kinds: list[TensorType], scope: Scope) -> Range | None:
    return _follow_size(node.attributes["size"], scope)  # type: ignore[arg-type]  # the table has it so


def _follow_elements(node: Node, kinds: list[TensorType], scope: Scope) -> Range | None:
    axes = node.attributes["axes"]
    if node.attributes["inverted"] or not isinstance(axes, tuple):
        return None
    return _follow_size(count_elements(tuple(kinds[0].shape[axis] for axis in axes)), scope)  # type: ignore[index]


def _follow_place(_node: Node, kinds: list[TensorType], scope: Scope) -> Range | None:
    highest = scope.bound(kinds[0].shape[0])[1]
    return None if highest is None else (0, highest)


_FROM_SIZES: Final[Mapping[str, Callable[[Node, list[TensorType], Scope], Range | None]]] = {
    "arange": _follow_arange,
    "searchsorted": _follow_place,
    "size_value": _follow_size_value,
    "number_of_elements": _follow_elements,
}


def _corners(function: Callable[[int, int], int]) -> Callable[[list[Range]], Range]:
    def follow(inputs: list[Range]) -> Range:
        (a, b), (c, d) = inputs
        results = [function(one, other) for one in (a, b) for other in (c, d)]
        return min(results), max(results)

    return follow


def _follow_remainder(inputs: list[Range]) -> Range | None:
    low, high = inputs[1]
    if low > 0:  # the result has the sign of the divisor
        return 0, high - 1
    return (low + 1, 0) if high < 0 else None


def _follow_abs(inputs: list[Range]) -> Range:
    low, high = inputs[0]
    return (0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _follow_quotient(inputs: list[Range]) -> Range | None:
    (low, high), (least, greatest) = inputs
    if least <= 0:
        return None
    ends = [top // bottom for top in (low, high) for bottom in (least, greatest)]
    return min(ends), max(ends)


def _follow_masked(inputs: list[Range]) -> Range | None:
    (low, high), (least, greatest) = inputs
    return (0, min(high, greatest)) if low >= 0 and least >= 0 else None


_ARITHMETIC: Final[Mapping[str, Callable[[list[Range]], Range | None]]] = {
    "abs": _follow_abs,
    "add": _corners(lambda a, b: a + b),
    "bitwise_and": _follow_masked,
    "floor_divide": _follow_quotient,
    "maximum": _corners(max),
    "minimum": _corners(min),
    "multiply": _corners(lambda a, b: a * b),
    "negative": lambda inputs: (-inputs[0][1], -inputs[0][0]),
    "remainder": _follow_remainder,
    "subtract": _corners(lambda a, b: a - b),
}
