"""What a graph must be to be read, and the sentence that each other one gets."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from graph_forge import make_graph, small_graph, small_json, spell

from ostiary.core.findings import Rule
from ostiary.core.function_limits import (
    MAX_GRAPH_DIMS,
    MAX_GRAPH_INPUTS,
    MAX_GRAPH_NODES,
    MAX_GRAPH_OUTPUTS,
    MAX_GRAPH_SIZES,
)
from ostiary.errors import IntakeRefused
from ostiary.graph import rules
from ostiary.graph.parse_graph import READERS, parse_graph
from ostiary.graph.render_graph import render_graph
from ostiary.graph.values import GRAPH_VERSION


def test_a_graph_comes_back_as_it_was() -> None:
    data = render_graph(small_graph())
    assert parse_graph(data) == small_graph()
    assert render_graph(parse_graph(data)) == data


@pytest.mark.parametrize("seed", range(30))
def test_graphs_of_all_primitives_come_back(seed: int) -> None:
    graph = make_graph(seed, 40)
    assert render_graph(parse_graph(render_graph(graph))) == render_graph(graph)


def test_every_version_that_there_was_is_read() -> None:
    assert sorted(READERS) == list(range(1, GRAPH_VERSION + 1))


def refusal_of(value: object) -> IntakeRefused:
    with pytest.raises(IntakeRefused) as caught:
        parse_graph(value if isinstance(value, bytes) else spell(value))
    assert "\n" not in str(caught.value)
    assert len(caught.value.message) < 600
    return caught.value


Change = Callable[[dict[str, Any]], object]


def _set(*path: str | int, to: object) -> Change:
    def change(value: dict[str, Any]) -> None:
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def _drop(*path: str | int) -> Change:
    def change(value: dict[str, Any]) -> None:
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


BROKEN: tuple[tuple[Change, Rule, str], ...] = (
    (_set("format", to="mlx"), rules.GRAPH_MALFORMED, "its field 'format'"),
    (_drop("format"), rules.GRAPH_MALFORMED, "its field 'format'"),
    (_set("version", to=2), rules.GRAPH_VERSION_UNKNOWN, "version 2, known are: 1"),
    (_set("version", to=True), rules.GRAPH_MALFORMED, "its version is a boolean"),
    (_set("extra", to=1), rules.GRAPH_MALFORMED, "a field 'extra' that it cannot have"),
    (_drop("nodes"), rules.GRAPH_MALFORMED, "no field 'nodes'"),
    (_set("name", to="a\nb"), rules.GRAPH_MALFORMED, "the name is no plain name"),
    (_set("name", to=""), rules.GRAPH_MALFORMED, "the name is no plain name"),
    (_set("dims", to=[]), rules.GRAPH_MALFORMED, "dims is not an object"),
    (_set("dims", "Batch", to={"min": 1, "max": 2}), rules.GRAPH_MALFORMED, "a dim has no plain name"),
    (_set("dims", "batch", "min", to=0), rules.GRAPH_MALFORMED, "dim batch has bounds"),
    (_set("dims", "batch", "max", to=0), rules.GRAPH_MALFORMED, "dim batch has bounds"),
    (_set("dims", "batch", "max", to=1 << 40), rules.GRAPH_MALFORMED, "dim batch has bounds"),
    (_set("inputs", to={}), rules.GRAPH_MALFORMED, "inputs is an object"),
    (_set("inputs", 0, "dtype", to="float64"), rules.GRAPH_MALFORMED, "input 0: a dtype is none"),
    (_set("inputs", 0, "dtype", to=["float32"]), rules.GRAPH_MALFORMED, "input 0: a dtype is none"),
    (_set("inputs", 0, "shape", to=[1] * 9), rules.GRAPH_TOO_LARGE, "9 axes"),
    (_set("inputs", 0, "shape", to=["rows", 4]), rules.GRAPH_MALFORMED, "which is no dim of the graph"),
    (_set("inputs", 0, "shape", to=[True, 4]), rules.GRAPH_MALFORMED, "a size is neither"),
    (_set("inputs", 0, "shape", to=[1.5, 4]), rules.GRAPH_MALFORMED, "a size is neither"),
    (_set("inputs", 0, "shape", to=[-1, 4]), rules.GRAPH_ATTRIBUTE, "a size is -1"),
    (_set("inputs", 0, "shape", to=["-batch", 4]), rules.GRAPH_ATTRIBUTE, "a size is below 0"),
    (_set("inputs", 0, "shape", to=[1 << 31, 4]), rules.GRAPH_TOO_LARGE, "value 0, an input or constant"),
    (_set("inputs", 0, "shape", to=[1 << 30, 1 << 30]), rules.GRAPH_TOO_LARGE, "elements"),
    (_set("inputs", 0, "shape", to=[1 << 30] * 8), rules.GRAPH_TOO_LARGE, "elements"),
    (_set("constants", 0, "tensor", to="a/b"), rules.GRAPH_MALFORMED, "the tensor of constant 0"),
    (_set("constants", 0, "shape", to=["batch"]), rules.GRAPH_MALFORMED, "constant 0 follows a dim"),
    (_set("nodes", 0, "op", to="as_strided_unsafe"), rules.GRAPH_UNKNOWN_PRIMITIVE, "node 0: no primitive"),
    (_set("nodes", 0, "op", to=7), rules.GRAPH_MALFORMED, "op of node 0 is a number"),
    (_set("nodes", 0, "in", to=[0]), rules.GRAPH_MALFORMED, "node 0 (add): it cannot take 1 inputs"),
    (_set("nodes", 0, "in", to=[0, 1, 1]), rules.GRAPH_MALFORMED, "node 0 (add): it cannot take 3 inputs"),
    (_set("nodes", 0, "in", to=[0, 2]), rules.GRAPH_REFERENCE, "node 0 (add): an input is no number below 2"),
    (_set("nodes", 0, "in", to=[0, -1]), rules.GRAPH_REFERENCE, "node 0 (add)"),
    (_set("nodes", 0, "in", to=[0, True]), rules.GRAPH_REFERENCE, "node 0 (add)"),
    (_set("nodes", 0, "in", to=[0, 10**18]), rules.GRAPH_REFERENCE, "node 0 (add)"),
    (_set("nodes", 1, "in", to=[3]), rules.GRAPH_REFERENCE, "node 1 (sum): an input is no number below 3"),
    (_set("nodes", 0, "out", to=[]), rules.GRAPH_MALFORMED, "it cannot give 0 results"),
    (_set("nodes", 0, "out", 0, "shape", to=["batch", 5]), rules.GRAPH_LYING, "node 0 (add): a result is float32"),
    (_set("nodes", 0, "out", 0, "dtype", to="int32"), rules.GRAPH_LYING, "int32 [batch,4] is stated"),
    (_set("nodes", 0, "attrs", to={"axis": 1}), rules.GRAPH_ATTRIBUTE, "node 0 (add): it has no attribute 'axis'"),
    (_set("nodes", 0, "attrs", to=[]), rules.GRAPH_MALFORMED, "node 0 (add): attrs is not an object"),
    (_drop("nodes", 1, "attrs", "axes"), rules.GRAPH_ATTRIBUTE, "node 1 (sum): attribute axes is missing"),
    (_set("nodes", 1, "attrs", "axes", to=[2]), rules.GRAPH_UNFIT, "node 1 (sum): axis 2 of an array with 2 axes"),
    (_set("nodes", 1, "attrs", "axes", to=[-1]), rules.GRAPH_ATTRIBUTE, "node 1 (sum): attribute axes"),
    (_set("nodes", 1, "attrs", "axes", to=[]), rules.GRAPH_UNFIT, "node 1 (sum): no axis is named"),
    (_set("nodes", 1, "attrs", "axes", to=1), rules.GRAPH_ATTRIBUTE, "node 1 (sum): attribute axes is no list"),
    (_set("nodes", 1, "attrs", "keepdims", to=0), rules.GRAPH_ATTRIBUTE, "node 1 (sum): attribute keepdims"),
    (_set("outputs", to=[]), rules.GRAPH_MALFORMED, "there is no output"),
    (_set("dims", "rows", to={"min": 1, "max": 2}), rules.GRAPH_MALFORMED, "no axis of an input is the dim rows"),
    (_set("outputs", 0, "value", to=4), rules.GRAPH_REFERENCE, "output 0 is value 4, and there are 4"),
    (_set("outputs", 0, "value", to=-1), rules.GRAPH_REFERENCE, "output 0 is value -1"),
    (_set("outputs", to=[{"name": "y", "value": 3}] * 2), rules.GRAPH_DUPLICATE_NAME, "two outputs are called 'y'"),
)


@pytest.mark.parametrize(("change", "rule", "words"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_graph_is_refused_for_what_is_wrong(change: Change, rule: Rule, words: str) -> None:
    value = small_json()
    change(value)
    refusal = refusal_of(value)
    assert (refusal.findings[0].rule, words in refusal.message) == (rule, True), refusal.message


def test_names_are_there_once() -> None:
    for where in ("inputs", "constants"):
        value = small_json()
        value[where].append(copy.deepcopy(value[where][0]))
        assert refusal_of(value).findings[0].rule is rules.GRAPH_DUPLICATE_NAME


@pytest.mark.parametrize("end", [b" ", b"\n", b"{}"])
def test_there_is_one_spelling(end: bytes) -> None:
    data = render_graph(small_graph())
    assert refusal_of(data + end).code == "INTAKE_MALFORMED"
    spaced = data.replace(b'":', b'": ')
    assert refusal_of(spaced).findings[0].rule is rules.GRAPH_NOT_CANONICAL
    escaped = data.replace(b'"small"', b'"\\u0073mall"')
    assert refusal_of(escaped).findings[0].rule is rules.GRAPH_NOT_CANONICAL


def test_counts_have_ceilings() -> None:
    plain = {"dtype": "float32", "shape": []}
    node = {"op": "abs", "in": [0], "out": [plain], "attrs": {}}
    many = {
        "dims": {f"d{number}": {"min": 1, "max": None} for number in range(MAX_GRAPH_DIMS + 1)},
        "inputs": [{"name": f"i{number}", **plain} for number in range(MAX_GRAPH_INPUTS + 1)],
        "outputs": [{"name": f"o{number}", "value": 0} for number in range(MAX_GRAPH_OUTPUTS + 1)],
        "nodes": [node] * (MAX_GRAPH_NODES + 1),
    }
    for name, items in many.items():
        value = small_json()
        value[name] = items
        refusal = refusal_of(value)
        assert (refusal.findings[0].rule, name in refusal.message) == (rules.GRAPH_TOO_LARGE, True)


def test_sizes_that_follow_dims_have_a_ceiling() -> None:
    value = small_json()
    value["nodes"] = [
        {"op": "arange", "in": [], "out": [{"dtype": "int32", "shape": [f"batch+{number}"]}],
         "attrs": {"dtype": "int32", "size": f"batch+{number}", "start": {"f": "0x0p+0"}, "step": {"f": "0x1p+0"}}}
        for number in range(1, MAX_GRAPH_SIZES + 2)
    ]  # fmt: skip
    assert refusal_of(value).findings[0].rule is rules.GRAPH_TOO_LARGE


def test_work_on_sizes_has_a_ceiling() -> None:
    long = "+".join(sorted(f"{name}*{name}" for name in "abcdefghijkl"))
    value = small_json()
    value["dims"] = {name: {"min": 1, "max": None} for name in "abcdefghijkl"}
    value["inputs"][0]["shape"] = [long]
    value["inputs"] += [{"name": name, "dtype": "float32", "shape": [name]} for name in "abcdefghijkl"]
    value["nodes"] = []
    for count in (4_000, 3_999):
        joined = "+".join(f"{count}*{term}" for term in long.split("+"))
        out = [{"dtype": "float32", "shape": [joined]}]
        value["nodes"].append({"op": "concatenate", "in": [0] * count, "out": out, "attrs": {"axis": 0}})
    value["constants"] = []
    value["outputs"] = [{"name": "y", "value": 0}]
    refusal = refusal_of(value)
    assert (refusal.findings[0].rule, "node 1" in refusal.message) == (rules.GRAPH_TOO_LARGE, True)
    del value["nodes"][1]
    parse_graph(spell(value))


def test_long_sizes_are_cut_short_in_messages() -> None:
    long = "+".join(f"{10**8}*{name}" for name in "abcdefghijklmno")
    value = small_json()
    value["dims"] = {name: {"min": 1, "max": None} for name in "abcdefghijklmno"}
    value["constants"] = []
    value["inputs"] = [{"name": f"x{n}", "dtype": "float32", "shape": [f"{long}+{n}"]} for n in (1, 2)]
    node = {"op": "add", "in": [0, 1], "out": [{"dtype": "float32", "shape": [long]}], "attrs": {}}
    value["nodes"], value["outputs"] = [node], [{"name": "y", "value": 0}]
    assert refusal_of(value).message.endswith("...")


FLOATS = ("0x1p+1", "-0x1.8p-3", "0x0p+0", "-0x0p+0", "0x0.0000000000001p-1022", "0x1.fffffffffffffp+1023")
NO_FLOATS = ("0x2p+0", "0x1.80p+1", "1.5", "0X1P+1", "0x1p1", "nan ", "-nan", "0x1p+1024", "", "0x1.p+1", "NaN")


@pytest.mark.parametrize("text", FLOATS)
def test_floats_have_one_spelling(text: str) -> None:
    value = _arange(text)
    assert render_graph(parse_graph(spell(value))) == spell(value)


@pytest.mark.parametrize("text", [*NO_FLOATS, 1.5, 1, None, {"f": 1}])
def test_other_floats_are_refused(text: object) -> None:
    refusal = refusal_of(_arange(text))
    assert refusal.findings[0].rule is rules.GRAPH_ATTRIBUTE
    assert "attribute start is no float" in refusal.message


def _arange(text: object) -> dict[str, Any]:
    value = small_json()
    attributes = {"dtype": "float32", "size": 3, "start": {"f": text}, "step": {"f": "0x1p+0"}}
    out = [{"dtype": "float32", "shape": [3]}]
    value["nodes"].append({"op": "arange", "in": [], "out": out, "attrs": attributes})
    return value
