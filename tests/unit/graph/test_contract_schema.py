"""The published schema takes what the readers take, and refuses what a schema can refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from contract_files import contract_file
from function_models import CONTRACT

from ostiary.graph.contract_schema import describe_contracts
from ostiary.graph.function_contract import DTYPES, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.render_contract import render_contract

SCHEMA = jsonschema.Draft202012Validator(describe_contracts())
VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "graph" / "contracts.json").read_text())
EVERY = FunctionContract(
    "every",
    (),
    tuple(TensorInput(f"i_{word}", word, ()) for word in DTYPES),
    tuple(TensorOutput(f"o_{word}", word, (2,), DTYPES[word].is_float) for word in DTYPES),
)
RULED = FunctionContract(
    "ruled",
    (),
    (TensorInput("a", "INT8", (3,), False, (-5, 99), (1, 2)), TensorInput("b", "BF16", (1,), True, (0.0, 0.5))),
    (TensorOutput("y", "UINT8", ()),),
)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(describe_contracts())


@pytest.mark.parametrize("contract", [CONTRACT, EVERY, RULED], ids=lambda contract: str(contract.name))
def test_it_takes_contracts_of_functions(contract: FunctionContract) -> None:
    SCHEMA.validate(json.loads(render_contract(contract)))


def test_it_takes_those_of_language_models() -> None:
    SCHEMA.validate(json.loads(contract_file()))


def test_it_takes_every_vector_that_is_accepted() -> None:
    cases = VECTORS["cases"] if isinstance(VECTORS, dict) else VECTORS
    accepted = [case for case in cases if case["accepted"]]
    assert accepted
    for case in accepted:
        SCHEMA.validate(json.loads(case["file"]))


def _at(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _at("version", to=2),
        _at("platform", to="ostiary-language"),
        _at("platform", to="other"),
        _at("more", to=1),
        _at("name", to="a b"),
        _at("dims", to={"2": {"min": 1, "max": 2, "is_batch": True}}),
        _at("dims", to={"n": {"min": 0, "max": 2, "is_batch": True}}),
        _at("dims", to={"n": {"min": 1, "is_batch": True}}),
        _at("inputs", 0, "datatype", to="FP64"),
        _at("inputs", 0, "shape", 0, to=-2),
        _at("inputs", 0, "dims", 0, to=3),
        _at("inputs", 0, "finite", to=True),
        _at("inputs", 0, "range", to=[0]),
        _at("inputs", 0, "range", to=[-129, 0]),
        _at("inputs", 0, "range", to=[{"f": "0x1p+0"}] * 2),
        _at("inputs", 0, "allowed", to=[]),
        _at("inputs", 0, "regex", to="a"),
        _at("inputs", 1, "finite", to=False),
        _at("inputs", 1, "range", to=[0, 1]),
        _at("outputs", 0, "finite", to=True),
        _at("outputs", 0, "range", to=[0, 1]),
    ],
)
def test_it_refuses_what_the_reader_refuses(change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(render_contract(RULED))
    change(value)
    assert not SCHEMA.is_valid(value)
