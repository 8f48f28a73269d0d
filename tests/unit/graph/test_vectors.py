"""The vectors say what the code does, and what the specification says without it."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ostiary.errors import IntakeRefused
from ostiary.graph.dtypes import Dtype
from ostiary.graph.hex_float import parse_hex_float, render_hex_float
from ostiary.graph.parse_contract import READERS as CONTRACT_READERS
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.parse_graph import READERS, parse_graph
from ostiary.graph.primitives import PRIMITIVES

PLACE = Path(__file__).resolve().parents[2] / "vectors" / "graph"


def load(name: str) -> Any:
    return json.loads((PLACE / name).read_text(encoding="ascii"))


def test_they_are_made_anew_byte_for_byte() -> None:
    spec = importlib.util.spec_from_file_location("generate_graph_vectors", PLACE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(generate)
    finally:
        sys.path[:] = before
    for name, make in generate.FILES.items():
        assert generate.render(make()) == (PLACE / name).read_bytes(), name


@pytest.mark.parametrize(
    ("name", "parse"),
    [("graphs.json", parse_graph), ("contracts.json", parse_contract)],
    ids=["graphs", "contracts"],
)
def test_files_get_their_verdict(name: str, parse: Callable[[bytes], object]) -> None:
    for entry in load(name):
        if entry["accepted"]:
            parse(entry["file"].encode())
            continue
        with pytest.raises(IntakeRefused) as caught:
            parse(entry["file"].encode())
        finding = caught.value.findings[0]
        assert (finding.rule.id, finding.detail) == (entry["rule"], entry["why"])


def test_there_is_an_accepted_file_of_every_version() -> None:
    for name, readers in (("graphs.json", READERS), ("contracts.json", CONTRACT_READERS)):
        accepted = [json.loads(entry["file"])["version"] for entry in load(name) if entry["accepted"]]
        assert set(accepted) == set(readers)


def test_sizes_are_what_python_makes_of_them() -> None:
    sizes = load("sizes.json")
    for entry in sizes["good"]:
        # The grammar is a part of Python's, with the same meaning.
        assert eval(entry["text"], {"__builtins__": {}}, sizes["dims"]) == entry["value"]  # noqa: S307


def test_floats_have_the_bits_that_they_say() -> None:
    for entry in load("floats.json")["good"]:
        number = parse_hex_float(entry["text"])
        assert number is not None
        assert render_hex_float(number) == entry["text"]
        if entry["bits"] is not None:
            assert struct.pack(">d", number).hex() == entry["bits"]
            assert number == float.fromhex(entry["text"])


def test_every_primitive_has_calls_that_are_taken() -> None:
    plain = load("elementwise.json")["result_of_equal_types"]
    taken = {entry["op"] for entry in load("inference.json") if entry["out"] is not None}
    # as_type takes any type, and gives the one that it names.
    assert taken | set(plain) | {"as_type"} == set(PRIMITIVES)
    refused = {entry["op"] for entry in load("inference.json") if entry["out"] is None}
    assert len(refused) >= 60


def test_promotion_is_the_same_from_both_sides() -> None:
    table = load("elementwise.json")["promotion"]
    assert set(table) == set(map(str, Dtype))
    for one in table:
        for other in table:
            assert table[one][other] == table[other][one]
