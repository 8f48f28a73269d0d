"""Contracts of functions: one spelling, closed, and in agreement with their graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from graph_forge import small_graph, spell

from ostiary.core.terms.rules import CONTRACT_FORMAT, CONTRACT_PLATFORM, CONTRACT_VERSION_UNKNOWN
from ostiary.errors import IntakeRefused
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.function_contract import (
    CONTRACT_VERSION,
    DATATYPES,
    ContractDim,
    FunctionContract,
    TensorInput,
    TensorOutput,
)
from ostiary.graph.parse_contract import READERS, parse_contract
from ostiary.graph.render_contract import render_contract
from ostiary.graph.rules import (
    CONTRACT_DUPLICATE_NAME,
    CONTRACT_MALFORMED,
    CONTRACT_OUT_OF_RANGE,
)
from ostiary.graph.sizes import dim

BATCH = dim("batch")
CONTRACT = FunctionContract(
    "small",
    (ContractDim("batch", 1, None, True),),
    (TensorInput("x", "FP32", (BATCH, 4), True, (-1.5, 2.0)),),
    (TensorOutput("y", "FP32", (BATCH,)),),
)
INTEGERS = FunctionContract(
    "ids",
    (),
    (
        TensorInput("a", "INT32", (3,), False, (-5, 99)),
        TensorInput("b", "UINT8", (), False, None, (1, 2, 7)),
        TensorInput("c", "BOOL", (0,)),
        TensorInput("d", "FP16", (2,), False, None, (-0.5, 0.25)),
    ),
    (TensorOutput("y", "BF16", ()),),
)


@pytest.mark.parametrize("contract", [CONTRACT, INTEGERS])
def test_a_contract_comes_back_as_it_was(contract: FunctionContract) -> None:
    data = render_contract(contract)
    assert parse_contract(data) == contract
    assert render_contract(parse_contract(data)) == data


def test_every_version_that_there_was_is_read() -> None:
    assert sorted(READERS) == list(range(1, CONTRACT_VERSION + 1))


def test_the_batch_dim_is_named() -> None:
    assert (CONTRACT.batch_dim, INTEGERS.batch_dim) == ("batch", None)


def _at(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


BROKEN = (
    (_at("format", to="x"), CONTRACT_FORMAT),
    (_at("version", to=CONTRACT_VERSION + 1), CONTRACT_VERSION_UNKNOWN),
    (_at("version", to="1"), CONTRACT_MALFORMED),
    (_at("platform", to="other"), CONTRACT_PLATFORM),
    (_at("more", to=1), CONTRACT_MALFORMED),
    (_at("name", to="a b"), CONTRACT_MALFORMED),
    (_at("dims", to=[]), CONTRACT_MALFORMED),
    (_at("dims", "batch", "min", to=0), CONTRACT_OUT_OF_RANGE),
    (_at("dims", "batch", "max", to=1 << 33), CONTRACT_OUT_OF_RANGE),
    (_at("dims", "batch", "is_batch", to=1), CONTRACT_MALFORMED),
    (_at("dims", "other", to={"min": 1, "max": 2, "is_batch": True}), CONTRACT_MALFORMED),
    (_at("inputs", 0, "name", to="x\u202e"), CONTRACT_MALFORMED),
    (_at("inputs", 0, "datatype", to="FP64"), CONTRACT_MALFORMED),
    (_at("inputs", 0, "shape", to=[-1]), CONTRACT_MALFORMED),
    (_at("inputs", 0, "shape", 1, to=-1), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", 0, "shape", 0, to=5), CONTRACT_MALFORMED),
    (_at("inputs", 0, "dims", 0, to="rows"), CONTRACT_MALFORMED),
    (_at("inputs", 0, "dims", 0, to=3), CONTRACT_MALFORMED),
    (_at("inputs", 0, "shape", 1, to=1 << 31), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", 0, "finite", to=False), CONTRACT_MALFORMED),
    (_at("inputs", 0, "range", to=[{"f": "0x1p+0"}]), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", 0, "range", to=[{"f": "0x1p+0"}, {"f": "0x0p+0"}]), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", 0, "range", to=[{"f": "nan"}, {"f": "nan"}]), CONTRACT_MALFORMED),
    (_at("inputs", 0, "range", to=[0, 1]), CONTRACT_MALFORMED),
    (_at("inputs", 0, "allowed", to=[]), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", 0, "allowed", to=[{"f": "0x1p+0"}, {"f": "0x1p+0"}]), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", 0, "allowed", to=[{"f": "0x0p+0"}] * 2_000), CONTRACT_OUT_OF_RANGE),
    (_at("inputs", to=[]), None),
    (_at("outputs", 0, "range", to=[]), CONTRACT_MALFORMED),
)


@pytest.mark.parametrize(("change", "rule"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_contract_is_refused_for_what_is_wrong(change: Callable[..., None], rule: object) -> None:
    value = json.loads(render_contract(CONTRACT))
    change(value)
    if rule is None:
        parse_contract(spell(value))
        return
    with pytest.raises(IntakeRefused) as caught:
        parse_contract(spell(value))
    assert caught.value.findings[0].rule is rule, caught.value.message


def test_names_are_there_once_and_the_spelling_is_one() -> None:
    value = json.loads(render_contract(CONTRACT))
    value["inputs"] *= 2
    with pytest.raises(IntakeRefused) as caught:
        parse_contract(spell(value))
    assert caught.value.findings[0].rule is CONTRACT_DUPLICATE_NAME
    with pytest.raises(IntakeRefused, match="canonical"):
        parse_contract(render_contract(CONTRACT) + b"\n")


@pytest.mark.parametrize("number", [-(1 << 31) - 1, 1 << 31, 1.5, True, None])
def test_integers_are_of_their_datatype(number: object) -> None:
    value = json.loads(render_contract(INTEGERS))
    value["inputs"][0]["range"] = [number, 99] if not isinstance(number, int) or number < 99 else [0, number]
    with pytest.raises(IntakeRefused):
        parse_contract(spell(value))


def test_a_contract_agrees_with_its_graph() -> None:
    graph = small_graph()
    assert find_disagreement(graph, CONTRACT) is None
    x, y = CONTRACT.inputs[0], CONTRACT.outputs[0]
    for other, words in (
        (replace(CONTRACT, name="other"), "names"),
        (replace(CONTRACT, dims=(ContractDim("batch", 1, 8, True),)), "dims"),
        (replace(CONTRACT, inputs=()), "1 inputs and the contract 0"),
        (replace(CONTRACT, inputs=(replace(x, name="z"),)), "input 0 has another name"),
        (replace(CONTRACT, inputs=(replace(x, datatype="INT32"),)), "float32 in the graph and INT32"),
        (replace(CONTRACT, inputs=(replace(x, shape=(BATCH, 5)),)), "input x has another shape"),
        (replace(CONTRACT, outputs=(replace(y, shape=(BATCH + 1,)),)), "output y has another shape"),
        (replace(CONTRACT, outputs=(y, y)), "1 outputs and the contract 2"),
    ):
        assert words in str(find_disagreement(graph, other))


def test_the_protocol_has_a_word_for_each_datatype_but_complex() -> None:
    assert len(set(DATATYPES.values())) == len(DATATYPES) == 12
