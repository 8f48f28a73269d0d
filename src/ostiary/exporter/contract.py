"""Makes the contract of an exported function: what its graph takes and gives, and what may go in."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_VALUE, USAGE, ExportRefused, IntakeRefused, Misuse
from ostiary.graph.derive_contract import find_usual_batch
from ostiary.graph.function_contract import (
    DATATYPES,
    ContractDim,
    FunctionContract,
    TensorInput,
    TensorOutput,
)
from ostiary.graph.independence import find_batch_axes
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.render_contract import render_contract
from ostiary.graph.values import Graph, TensorType

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What may go in, by the names of inputs, and along which dim calls may be joined."""

    batch: str | None
    ranges: Mapping[str, Range]
    allowed: Mapping[str, Sequence[float]]
    finite: bool | Collection[str]
    """Of all inputs, or of those that are named."""

    def list_inputs(self) -> list[tuple[str, str]]:
        """Every input that is named, with what for."""
        named = [] if isinstance(self.finite, bool) else list(self.finite)
        pairs = (("ranges", self.ranges), ("allowed", self.allowed), ("finite", named))
        return [(what, name) for what, names in pairs for name in names]

    def rename(self, names: Mapping[str, str]) -> Wishes:
        return Wishes(
            self.batch,
            {names[name]: ends for name, ends in self.ranges.items()},
            {names[name]: numbers for name, numbers in self.allowed.items()},
            self.finite if isinstance(self.finite, bool) else [names[name] for name in self.finite],
        )


def make_contract(graph: Graph, wishes: Wishes) -> FunctionContract:
    """Raises Misuse, ExportRefused."""
    batch = find_batch(graph, wishes.batch)
    types = graph.list_types()
    contract = FunctionContract(
        name=graph.name,
        dims=tuple(ContractDim(item.name, item.min, item.max, item.name == batch) for item in graph.dims),
        inputs=tuple(_make_input(item.name, item.type, wishes) for item in graph.inputs),
        outputs=tuple(
            TensorOutput(
                item.name,
                _name_datatype(f"result '{item.name}'", found),
                found.shape,
                wishes.finite is True and found.dtype.is_float,
            )
            for item, found in ((item, types[item.value]) for item in graph.outputs)
        ),
    )
    try:
        parse_contract(render_contract(contract))
    except IntakeRefused as error:
        raise Misuse(USAGE, f"what inputs may hold does not fit them: {error.message}") from error
    return contract


def find_batch(graph: Graph, asked: str | None) -> str | None:
    """The dim along which calls may be computed together: `asked`, or one that is called batch, if that is sure."""
    if asked is None:
        return find_usual_batch(graph)
    if asked not in {item.name for item in graph.dims}:
        raise Misuse(USAGE, f"batch names a dim '{quote_untrusted(asked)}' that no input has")
    if find_batch_axes(graph, asked) is None:
        raise ExportRefused(
            EXPORT_VALUE,
            f"along dim '{asked}' one entry's result could follow from another's, or it is not sure that none does",
            hint="Leave `batch` away: then calls are not computed together.",
        )
    return asked


def _make_input(name: str, item: TensorType, wishes: Wishes) -> TensorInput:
    datatype = _name_datatype(f"input '{name}'", item)
    finite = wishes.finite
    asked = finite if isinstance(finite, bool) else name in finite
    if asked and not isinstance(finite, bool) and not item.dtype.is_float:
        raise Misuse(USAGE, f"input '{name}' is {item.dtype}: its elements are finite anyway")
    is_whole = not item.dtype.is_float
    ends = wishes.ranges.get(name)
    if ends is not None:
        ends = (_read_number(name, ends[0], is_whole=is_whole), _read_number(name, ends[1], is_whole=is_whole))
        if ends[0] > ends[1]:
            raise Misuse(USAGE, f"the range of input '{name}' has its ends the wrong way round")
    numbers = tuple(
        sorted({_read_number(name, number, is_whole=is_whole) for number in wishes.allowed.get(name, ())})
    )
    return TensorInput(name, datatype, item.shape, bool(asked) and item.dtype.is_float, ends, numbers)


def _read_number(name: str, number: object, *, is_whole: bool) -> float:
    if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
        if not is_whole:
            return float(number)
        if number == int(number):
            return int(number)
    what = "whole numbers" if is_whole else "finite numbers"
    raise Misuse(USAGE, f"what input '{name}' may hold is given in {what}")


def _name_datatype(what: str, item: TensorType) -> str:
    datatype = DATATYPES.get(item.dtype)
    if datatype is None:
        raise ExportRefused(
            EXPORT_VALUE,
            f"{what} is {item.dtype}, which no request can carry",
            hint="Take or give the real and the imaginary part.",
        )
    return datatype
