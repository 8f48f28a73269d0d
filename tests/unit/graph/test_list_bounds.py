"""What a new version of a function's contract lets through beside the old one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from function_models import BATCH, CONTRACT

from ostiary.core.terms.bounds import Change, Difference
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.list_bounds import compare_contracts

X, Y = CONTRACT.inputs[0], CONTRACT.outputs[0]
WIDER, NARROWER, OTHER = Change.WIDER, Change.NARROWER, Change.OTHER
Told = tuple[str, Change, str | None, str | None]


def of_input(**changes: object) -> FunctionContract:
    return replace(CONTRACT, inputs=(replace(X, **changes),))  # type: ignore[arg-type]


def of_dim(*bounds: int | None) -> FunctionContract:
    low, high = bounds
    return replace(CONTRACT, dims=(ContractDim("batch", low or 0, high, True),))


CASES: dict[str, tuple[FunctionContract, list[Told]]] = {
    "the same": (CONTRACT, []),
    "another name": (replace(CONTRACT, name="b"), [("name", OTHER, "scaled", "b")]),
    "a dim goes further": (of_dim(1, 128), [("dims.batch.max", WIDER, "64", "128")]),
    "a dim goes less far": (
        of_dim(2, 32),
        [("dims.batch.max", NARROWER, "64", "32"), ("dims.batch.min", NARROWER, "1", "2")],
    ),
    "a dim has no end": (of_dim(1, None), [("dims.batch.max", WIDER, "64", "2,147,483,647")]),
    "no batch": (
        replace(CONTRACT, dims=(ContractDim("batch", 1, 64),)),
        [("batch", OTHER, "batch", None)],
    ),
    "a range is longer above, shorter below": (
        of_input(range=(-1.0, 20.0)),
        [("inputs.x.range.max", WIDER, "10.0", "20.0"), ("inputs.x.range.min", NARROWER, "-10.0", "-1.0")],
    ),
    "no range": (
        of_input(range=None),
        [("inputs.x.range.max", WIDER, "10.0", None), ("inputs.x.range.min", WIDER, "-10.0", None)],
    ),
    "what has a range is finite anyway": (of_input(is_finite=False), []),
    "neither": (
        of_input(range=None, is_finite=False),
        [
            ("inputs.x.finite", WIDER, "true", "false"),
            ("inputs.x.range.max", WIDER, "10.0", None),
            ("inputs.x.range.min", WIDER, "-10.0", None),
        ],
    ),
    "a list of what is allowed": (
        of_input(allowed=(0.0, 0.5)),
        [("inputs.x.allowed", NARROWER, None, "0.0, 0.5")],
    ),
    "another datatype": (
        of_input(datatype="FP16"),
        [("inputs.x.datatype", WIDER, None, "FP16"), ("inputs.x.datatype", NARROWER, "FP32", None)],
    ),
    "another shape": (
        of_input(shape=(BATCH, 4)),
        [("inputs.x.shape", WIDER, None, "[batch, 4]"), ("inputs.x.shape", NARROWER, "[batch, 3]", None)],
    ),
    "an input more": (
        replace(CONTRACT, inputs=(X, TensorInput("a", "BOOL", ()))),
        [("inputs", WIDER, None, "a, x"), ("inputs", NARROWER, "x", None)],
    ),
    "an output more, and one that may hold anything": (
        replace(CONTRACT, outputs=(replace(Y, is_finite=False), TensorOutput("z", "BOOL", ()))),
        [("outputs", OTHER, "y", "y, z"), ("outputs.y.finite", WIDER, "true", "false")],
    ),
    "an output of another form": (
        replace(CONTRACT, outputs=(replace(Y, datatype="FP16", shape=(3, BATCH)),)),
        [("outputs.y.datatype", OTHER, "FP32", "FP16"), ("outputs.y.shape", OTHER, "[batch, 3]", "[3, batch]")],
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_each_change_is_told_in_its_place(what: str) -> None:
    new, told = CASES[what]
    assert compare_contracts(CONTRACT, new) == [Difference(*one) for one in told]


@pytest.mark.parametrize("what", CASES)
def test_the_other_way_round_what_was_wider_is_narrower(what: str) -> None:
    new, told = CASES[what]
    turned = {WIDER: NARROWER, NARROWER: WIDER, OTHER: OTHER}
    assert {(one.place, one.change) for one in compare_contracts(new, CONTRACT)} == {
        (place, turned[change]) for place, change, _, _ in told
    }


def test_lists_are_compared_number_by_number() -> None:
    old = of_input(allowed=(0.0, 0.5))
    new = of_input(allowed=(0.5, 1.0))
    assert compare_contracts(old, new) == [
        Difference("inputs.x.allowed", WIDER, None, "1.0"),
        Difference("inputs.x.allowed", NARROWER, "0.0", None),
    ]
