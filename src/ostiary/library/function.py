"""A model that is a function, as a program sees it: what it takes and gives, and what it gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ostiary.core.tensors import ParsedTensors
from ostiary.core.values import dataclass
from ostiary.errors import USAGE, Misuse
from ostiary.library.arrays import name_library, read_array, write_array

if TYPE_CHECKING:
    from ostiary.core.tickets import AnsweredTensors
    from ostiary.graph.function_contract import FunctionContract, TensorInput, TensorOutput
    from ostiary.library.verdict import Verdict


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output, as its contract states it."""

    name: str
    datatype: str
    """As the Open Inference Protocol names it: FP32, INT64, BOOL."""
    shape: tuple[int | str, ...]
    """A number, or the name of what the size follows: `batch`, `2*seconds`."""
    is_finite: bool = False
    """Infinities, and what is not a number, are refused."""
    range: tuple[float, float] | None = None
    """The least and the greatest number that it may hold."""
    allowed: tuple[float, ...] = ()
    """The numbers that it may hold; empty: any."""


class Outputs(Mapping[str, Any]):
    """Arrays by the names of the outputs, in the contract's order, and what let the function in that gave them."""

    def __init__(self, arrays: Mapping[str, Any], seconds: float, verdict: Verdict, correlation_id: str) -> None:
        """Made by calling a model."""
        self._arrays: Final = dict(arrays)
        self.seconds: Final = seconds
        """From the call to its outputs."""
        self.verdict: Final = verdict
        self.correlation_id: Final = correlation_id
        """Joins it to the record."""

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Outputs({self._arrays!r})"

    @property
    def only(self) -> Any:
        """The one output of a function that has one."""
        if len(self._arrays) != 1:
            raise Misuse(USAGE, f"the function has {len(self._arrays)} outputs: take them by their names")
        return next(iter(self._arrays.values()))


def describe_inputs(contract: FunctionContract) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(item.name, item.datatype, _describe_shape(item), item.is_finite, item.range, item.allowed)
        for item in contract.inputs
    )


def describe_outputs(contract: FunctionContract) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(item.name, item.datatype, _describe_shape(item), item.is_finite) for item in contract.outputs
    )


def _describe_shape(item: TensorInput | TensorOutput) -> tuple[int | str, ...]:
    return tuple(size if isinstance(size, int) else size.text for size in item.shape)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """What was asked, and in whose arrays the answer is wanted."""

    request: ParsedTensors
    library: str


def parse_call(
    inputs: object, named: Mapping[str, object], timeout: object, known: tuple[str, ...]
) -> FunctionCall:
    """`inputs`: a mapping from names, or the one array of a function that takes one; or `named` instead."""
    if inputs is None:
        arrays = named
    elif named:
        raise Misuse(USAGE, "inputs are given by name, or all in one mapping, not both")
    elif isinstance(inputs, Mapping):
        arrays = {str(name): value for name, value in inputs.items()}
    elif len(known) == 1:
        arrays = {known[0]: inputs}
    else:
        raise Misuse(USAGE, f"the function takes {len(known)} inputs: give them by their names")
    read = {name: read_array(value) for name, value in arrays.items()}
    return FunctionCall(ParsedTensors(read, timeout), name_library(arrays.values()))


def make_outputs(answer: AnsweredTensors, library: str, verdict: Verdict, correlation_id: str) -> Outputs:
    arrays = {name: write_array(tensor, library) for name, tensor in answer.outputs.items()}
    return Outputs(arrays, answer.total_seconds, verdict, correlation_id)
