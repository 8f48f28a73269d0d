"""Changes one thing in the JSON of a graph or a contract: the sort of thing that somebody would try."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from ostiary.graph.dtypes import Dtype
from ostiary.graph.primitives import PRIMITIVES

Pick = Callable[[int], int]
"""A number from 0 to one below the given one."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 8, 64, 1 << 31, (1 << 31) - 1, 1 << 53, -(1 << 62), (1 << 63) - 1, 1.5, "",
    "batch", "batch-1", "2*batch", "((batch)//2)", "-batch", "x", "none", "sum", "affine", "\u202e", "a\u0000", [], [0],
    [1], [-1], [0, 0], [1, 0], [0, 1], [2], [1 << 40], ["batch"], [1] * 9, {}, {"f": "0x0p+0"}, {"f": "nan"},
    {"f": "0x1.8p+1023"}, {"f": "-inf"}, {"min": 1, "max": None},
)  # fmt: skip
WORDS: tuple[str, ...] = (*map(str, Dtype), *sorted(PRIMITIVES), "float64", "FP32", "INT64")


def list_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or position in it."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        for key in keys:
            yield part, key
            waiting.append(part[key])


def mutate(value: Any, pick: Pick) -> Any:
    """A copy with one thing changed."""
    changed = copy.deepcopy(value)
    places = list(list_places(changed))
    part, key = places[pick(len(places))]
    old = part[key]
    match pick(8):
        case 0 if isinstance(old, str):
            part[key] = WORDS[pick(len(WORDS))]
        case 1 if isinstance(old, int):
            part[key] = old + pick(9) - 4
        case 2 if isinstance(part, list):
            part.insert(key, copy.deepcopy(part[pick(len(part))]))
        case 3:
            del part[key]
        case 4 if isinstance(part, dict):
            part[f"{key}_"] = old
        case 5:
            other, other_key = places[pick(len(places))]
            part[key] = copy.deepcopy(other[other_key])
        case 6 if isinstance(old, list) and old:
            part[key] = old[::-1]
        case _:
            part[key] = copy.deepcopy(VALUES[pick(len(VALUES))])
    return changed
