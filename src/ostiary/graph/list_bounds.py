"""The bounds of a function's contract, each in its place, so that two of them can be compared. Pure.

Datatypes and shapes are choices of one: a call that has another is another call, so a change of either lets
something in that was not, and keeps something out that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.core.limits import MAX_DIMENSION
from ostiary.core.terms.bounds import Bound, Difference, Fact, Least, Most, OneOf, Step, compare_bounds
from ostiary.graph.function_contract import FunctionContract, TensorInput, TensorOutput

_FINITE: Final = ("false", "true")


def compare_contracts(old: FunctionContract, new: FunctionContract) -> list[Difference]:
    """What a new version of a function's contract lets through beside the old one."""
    return compare_bounds(list_bounds(old), list_bounds(new))


def list_bounds(contract: FunctionContract) -> dict[str, Bound]:
    """Those of every dim, input and output."""
    bounds: dict[str, Bound] = {
        "name": Fact(contract.name),
        "batch": Fact(contract.batch_dim),
        "inputs": OneOf(frozenset({_list_names(contract.inputs)})),
        "outputs": Fact(_list_names(contract.outputs)),
    }
    for dim in contract.dims:
        most = int(MAX_DIMENSION) if dim.max is None else dim.max
        bounds |= {f"dims.{dim.name}.min": Least(dim.min), f"dims.{dim.name}.max": Most(most)}
    for item in contract.inputs:
        bounds |= _list_input(item)
    for output in contract.outputs:
        bounds |= _list_output(output)
    return bounds


def show_shape(item: TensorInput | TensorOutput) -> str:
    """`[batch, 3]`."""
    return f"[{', '.join(str(size) for size in item.shape)}]"


def _list_input(item: TensorInput) -> Mapping[str, Bound]:
    place = f"inputs.{item.name}"
    least, most = item.range or (None, None)
    # What has ends, or is in a list, is finite as well.
    is_finite = item.is_finite or item.range is not None or bool(item.allowed)
    allowed = frozenset(f"{number}" for number in item.allowed) if item.allowed else None
    return {
        f"{place}.datatype": OneOf(frozenset({item.datatype})),
        f"{place}.shape": OneOf(frozenset({show_shape(item)})),
        f"{place}.finite": Step(_FINITE, _FINITE[is_finite]),
        f"{place}.range.min": Least(least),
        f"{place}.range.max": Most(most),
        f"{place}.allowed": OneOf(allowed),
    }


def _list_output(item: TensorOutput) -> Mapping[str, Bound]:
    place = f"outputs.{item.name}"
    return {
        f"{place}.datatype": Fact(item.datatype),
        f"{place}.shape": Fact(show_shape(item)),
        f"{place}.finite": Step(_FINITE, _FINITE[item.is_finite]),
    }


def _list_names(items: Iterable[TensorInput] | Iterable[TensorOutput]) -> str:
    return ", ".join(sorted(item.name for item in items))
