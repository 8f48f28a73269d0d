"""The facts of a function, from its graph and its contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FunctionFacts
from ostiary.graph.estimate import estimate_call_bytes
from ostiary.graph.function_contract import DATATYPES
from ostiary.graph.values import Graph, TensorType
from ostiary.intake.read_json import JsonValue


def describe_function(graph: Graph, card: Mapping[str, JsonValue] | None) -> FunctionFacts:
    """What the function takes and gives, and of what it is made."""
    types = graph.list_types()
    counts = Counter(node.op for node in graph.nodes)
    return FunctionFacts(
        name=graph.name,
        version=graph.version,
        nodes=len(graph.nodes),
        primitives=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        inputs=tuple(_describe(item.name, item.type) for item in graph.inputs),
        outputs=tuple(_describe(item.name, types[item.value]) for item in graph.outputs),
        dims=tuple((item.name, item.min, item.max) for item in graph.dims),
        call_bytes=estimate_call_bytes(graph),
        card=tuple(_describe_card(card or {})),
    )


def _describe_card(card: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    for label in _TOLD:
        value = card.get(label)
        if isinstance(value, str) and value:
            yield label, quote_untrusted(value, _SHOWN_CHARACTERS)
        elif isinstance(value, dict) and label == "metrics":
            plain = {name: number for name, number in value.items() if isinstance(number, int | float | str)}
            shown = ", ".join(f"{name} {number}" for name, number in list(plain.items())[:_SHOWN_METRICS])
            if shown:
                yield label, quote_untrusted(shown, _SHOWN_CHARACTERS)


_TOLD: Final = ("who", "when", "license", "data", "metrics")
_SHOWN_CHARACTERS: Final = 80
_SHOWN_METRICS: Final = 4


def _describe(name: str, item: TensorType) -> tuple[str, str, tuple[str, ...]]:
    return name, DATATYPES.get(item.dtype, str(item.dtype)), tuple(str(size) for size in item.shape)
