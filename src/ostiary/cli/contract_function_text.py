"""A function's contract as a person sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.core.text import quote_untrusted
from ostiary.graph.function_contract import (
    PLATFORM,
    ContractDim,
    FunctionContract,
    TensorInput,
    TensorOutput,
)
from ostiary.graph.list_bounds import show_shape


def list_lines(contract: FunctionContract) -> Iterator[str]:
    """A line for each field, before it is cut to a width."""
    yield _put("platform", PLATFORM)
    yield _put("name", quote_untrusted(contract.name))
    for dim in contract.dims:
        yield _put("dim", f"{dim.name}: {_show_bounds(dim)}")
    for item in contract.inputs:
        yield _put("input", _show_tensor(item, _list_rules(item)))
    for output in contract.outputs:
        yield _put("output", _show_tensor(output, ["finite"] if output.is_finite else []))


def _put(field: str, text: str) -> str:
    return f"{field:<16}{text}"


def _show_bounds(dim: ContractDim) -> str:
    bounds = f"from {dim.min:,}" if dim.max is None else f"{dim.min:,} to {dim.max:,}"
    return f"{bounds}; the batch" if dim.is_batch else bounds


def _show_tensor(item: TensorInput | TensorOutput, rules: list[str]) -> str:
    return "; ".join([f"{item.name}: {item.datatype} {show_shape(item)}", *rules])


def _list_rules(item: TensorInput) -> list[str]:
    rules = ["finite"] if item.is_finite else []
    if item.range is not None:
        rules.append(f"{item.range[0]} to {item.range[1]}")
    if item.allowed:
        rules.append(f"one of {', '.join(map(str, item.allowed))}")
    return rules
