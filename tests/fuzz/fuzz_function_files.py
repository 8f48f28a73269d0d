"""Fuzzes graph.json, contract.json and sizes: as bytes, and as valid files with a few things changed."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

with atheris.instrument_imports(include=["ostiary.graph", "ostiary.core.json_text"]):
    from ostiary.graph.bind_graph import bind_graph
    from ostiary.graph.estimate import estimate_graph
    from ostiary.graph.parse_contract import parse_contract
    from ostiary.graph.parse_graph import parse_graph
    from ostiary.graph.parse_size import parse_size_text
    from ostiary.graph.ranges import find_proven
    from ostiary.graph.render_contract import render_contract
    from ostiary.graph.render_graph import render_graph
    from ostiary.graph.sizes import SizeError, evaluate_size

from attack_cases.function import HONEST_CONTRACT, HONEST_GRAPH  # noqa: E402
from graph_forge import make_graph, spell  # noqa: E402
from graph_mutations import mutate  # noqa: E402

from ostiary.errors import IntakeRefused  # noqa: E402

GRAPHS: tuple[Any, ...] = (HONEST_GRAPH, *(json.loads(render_graph(make_graph(seed, 5))) for seed in range(8)))


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try_graph(data)
    try_contract(data)
    provider = atheris.FuzzedDataProvider(data)

    def pick(count: int) -> int:
        return provider.ConsumeIntInRange(0, max(count - 1, 0))

    value = GRAPHS[pick(len(GRAPHS))]
    contract: Any = HONEST_CONTRACT
    for _ in range(1 + pick(3)):
        value = mutate(value, pick) if value else value
        contract = mutate(contract, pick) if contract else contract
    try_graph(encode(value))
    try_contract(encode(contract))
    try_size(provider.ConsumeUnicodeNoSurrogates(60))


def encode(value: Any) -> bytes:
    try:
        return spell(value)
    except UnicodeEncodeError:
        return b""


def try_graph(data: bytes) -> None:
    try:
        graph = parse_graph(data)
    except IntakeRefused as refused:
        check(refused)
        return
    if render_graph(graph) != data:
        raise AssertionError("two spellings of one graph")
    find_proven(graph)
    try:
        bound = bind_graph(graph, {item.name: item.min for item in graph.dims})
    except IntakeRefused as refused:
        check(refused)
        return
    estimate_graph(bound)


def try_contract(data: bytes) -> None:
    try:
        contract = parse_contract(data)
    except IntakeRefused as refused:
        check(refused)
        return
    if render_contract(contract) != data:
        raise AssertionError("two spellings of one contract")


def try_size(text: str) -> None:
    try:
        size = parse_size_text(text, ("h", "w"))
    except SizeError:
        return
    # The grammar is a part of Python's, with the same meaning.
    if str(size) != text or evaluate_size(size, {"h": 5, "w": 3}) != eval(text, {}, {"h": 5, "w": 3}):  # noqa: S307
        raise AssertionError(text)


def check(refused: IntakeRefused) -> None:
    if "\n" in str(refused) or len(str(refused)) > 1_000:
        raise AssertionError(refused) from refused


def list_arguments(arguments: list[str]) -> list[str]:
    """`arguments`, and a fresh directory of seeds."""
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for number, value in enumerate((*GRAPHS, HONEST_CONTRACT)):
        (place / str(number)).write_bytes(spell(value))
    return [*arguments, str(place)]


if __name__ == "__main__":
    atheris.Setup(list_arguments(sys.argv), TestOneInput)
    atheris.Fuzz()
