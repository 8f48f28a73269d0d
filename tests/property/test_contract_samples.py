"""Whatever a function's contract says: calls made from it are let through, or refused by the rule that they say."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ostiary.contract import check_tensors, make_tensor_samples
from ostiary.core.lanes import LANES, write_ends, write_numbers
from ostiary.errors import ContractRefused
from ostiary.graph.function_contract import DTYPES, ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.list_bounds import compare_contracts
from ostiary.graph.sizes import Size, dim

DIMS = ("batch", "rows")
SIZES: Sequence[Size] = (0, 1, 3, dim("batch"), dim("rows"), 2 * dim("batch") + 1, dim("rows") // 2)


@st.composite
def inputs(draw: st.DrawFn, name: str) -> TensorInput:
    """With rules that a number keeps at all: a contract that nothing fits is for another test."""
    datatype = draw(st.sampled_from([*DTYPES]))
    is_float, is_bool = DTYPES[datatype].is_float, datatype == "BOOL"
    numbers = st.floats(-200, 200, width=16) if is_float else st.integers(0, 127)
    ends: tuple[float, float] | None = None
    if not is_bool and draw(st.booleans()):
        low, high = sorted((draw(numbers), draw(numbers)))
        ends = (low, high) if write_ends(LANES[datatype], low, high) is not None else None
    allowed: tuple[float, ...] = ()
    if not is_bool:
        found = draw(st.lists(numbers, max_size=4, unique=True).map(sorted))
        allowed = tuple(
            one
            for one in found
            if write_numbers(LANES[datatype], one) and (ends is None or ends[0] <= one <= ends[1])
        )
    shape = tuple(draw(st.lists(st.sampled_from(SIZES), max_size=3)))
    return TensorInput(name, datatype, shape, is_float and draw(st.booleans()), ends, allowed)


@st.composite
def contracts(draw: st.DrawFn) -> FunctionContract:
    bounds = [draw(st.tuples(st.integers(1, 5), st.none() | st.integers(0, 9))) for _ in DIMS]
    return FunctionContract(
        "f",
        tuple(
            ContractDim(name, low, None if more is None else low + more)
            for name, (low, more) in zip(DIMS, bounds, strict=True)
        ),
        (TensorInput("dims", "UINT8", tuple(dim(name) for name in DIMS)), draw(inputs("a")), draw(inputs("b"))),
        (TensorOutput("y", "FP32", ()),),
    )


@given(contracts())
def test_each_call_meets_what_it_says(contract: FunctionContract) -> None:
    for sample in make_tensor_samples(contract):
        rule = None
        try:
            check_tensors(sample.request, contract)
        except ContractRefused as refusal:
            rule = refusal.rule
        assert rule == sample.rule, sample.name


@given(contracts(), contracts())
def test_a_comparison_turned_round_is_of_the_same_places(old: FunctionContract, new: FunctionContract) -> None:
    there = {difference.place for difference in compare_contracts(old, new)}
    assert there == {difference.place for difference in compare_contracts(new, old)}
    assert not compare_contracts(old, old)
