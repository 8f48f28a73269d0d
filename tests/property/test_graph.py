"""Any bytes give a graph or a refusal, what is valid comes back as it was, and one change is valid or refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from attack_cases.function import HONEST_CONTRACT, HONEST_GRAPH
from graph_forge import make_graph, small_graph, spell
from graph_mutations import mutate
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import IntakeRefused
from ostiary.graph.bind_graph import bind_graph
from ostiary.graph.estimate import estimate_graph
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.parse_graph import parse_graph
from ostiary.graph.parse_size import parse_size_text
from ostiary.graph.ranges import find_proven
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.sizes import SizeError, evaluate_size
from ostiary.graph.values import Graph
from ostiary.intake.functions.read_card import parse_card

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PARSERS: tuple[Callable[[bytes], object], ...] = (parse_graph, parse_contract, parse_card)


def try_parse(parse: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return parse(data)
    except IntakeRefused as refusal:
        message = str(refusal)
        assert "\n" not in message
        assert len(message) < 1_000
        return None


def use(graph: Graph) -> None:
    """What is done with any graph before it runs."""
    find_proven(graph)
    try:
        bound = bind_graph(graph, {item.name: item.min for item in graph.dims})
    except IntakeRefused:
        return
    estimate = estimate_graph(bound)
    assert min(estimate.peak_bytes, estimate.work, estimate.output_bytes) >= 0


@given(st.binary(max_size=400), st.sampled_from(PARSERS))
def test_any_bytes_are_read_or_refused(data: bytes, parse: Callable[[bytes], object]) -> None:
    try_parse(parse, data)


@given(JSON, st.sampled_from(sorted(HONEST_GRAPH)), st.sampled_from(sorted(HONEST_CONTRACT)))
def test_any_json_in_any_field_is_read_or_refused(value: Any, field: str, other: str) -> None:
    try:
        graph, contract = spell({**HONEST_GRAPH, field: value}), spell({**HONEST_CONTRACT, other: value})
    except UnicodeEncodeError:
        return
    try_parse(parse_graph, graph)
    try_parse(parse_contract, contract)


@given(st.text(alphabet="hw12+-*/()0 ", max_size=24))
def test_any_text_is_a_size_with_one_spelling_or_none(text: str) -> None:
    try:
        size = parse_size_text(text, ("h", "w"))
    except SizeError:
        return
    assert str(size) == text
    assert evaluate_size(size, {"h": 5, "w": 3}) == eval(text, {}, {"h": 5, "w": 3})  # noqa: S307  the grammar is Python's


@given(st.integers(0, 1 << 32), st.integers(1, 25))
@settings(max_examples=40)
def test_what_is_valid_comes_back(seed: int, nodes: int) -> None:
    graph = make_graph(seed, nodes)
    data = render_graph(graph)
    again = parse_graph(data)
    assert render_graph(again) == data
    use(again)


@cache
def seeds() -> tuple[Any, ...]:
    made = (json.loads(render_graph(make_graph(seed, 6))) for seed in range(12))
    return (json.loads(render_graph(small_graph())), HONEST_GRAPH, *made)


@given(st.integers(0, 1 << 32), st.integers(1, 3))
@settings(max_examples=300)
def test_a_changed_graph_is_valid_or_refused(seed: int, changes: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    value = chance.choice(seeds())
    for _ in range(changes):
        value = mutate(value, chance.randrange)
        if not value:
            return
    data = _spell(value)
    graph = try_parse(parse_graph, data)
    if graph is not None:
        assert render_graph(graph) == data
        use(graph)


@given(st.integers(0, 1 << 32))
@settings(max_examples=150)
def test_a_changed_contract_is_valid_or_refused(seed: int) -> None:
    data = _spell(mutate(HONEST_CONTRACT, random.Random(seed).randrange))  # noqa: S311
    contract = try_parse(parse_contract, data)
    if contract is not None:
        assert render_contract(contract) == data


def _spell(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


@given(st.integers(0, 1 << 32))
@settings(max_examples=100)
def test_a_flipped_byte_is_refused_or_says_what_it_says(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    data = bytearray(spell(HONEST_GRAPH))
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    graph = try_parse(parse_graph, bytes(data))
    if graph is not None:
        assert render_graph(graph) == bytes(data)


@pytest.mark.parametrize("wrong", range(8))
def test_every_single_field_of_the_honest_graph_matters(wrong: int) -> None:
    """No field can be left out, and none put in."""
    changed = json.loads(spell(HONEST_GRAPH))
    name = sorted(changed)[wrong]
    del changed[name]
    assert try_parse(parse_graph, spell(changed)) is None
