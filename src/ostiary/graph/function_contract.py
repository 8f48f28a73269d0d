"""What a function takes and gives, in the words of the Open Inference Protocol, with rules on what is let in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.terms.values import FUNCTION_PLATFORM
from ostiary.core.values import dataclass
from ostiary.graph.dtypes import Dtype
from ostiary.graph.sizes import Size
from ostiary.graph.values import Dim

CONTRACT_FORMAT: Final = "ostiary.contract"
CONTRACT_VERSION: Final = 1
PLATFORM: Final = FUNCTION_PLATFORM

DATATYPES: Final[Mapping[Dtype, str]] = MappingProxyType(
    {
        Dtype.BOOL: "BOOL",
        Dtype.UINT8: "UINT8",
        Dtype.UINT16: "UINT16",
        Dtype.UINT32: "UINT32",
        Dtype.UINT64: "UINT64",
        Dtype.INT8: "INT8",
        Dtype.INT16: "INT16",
        Dtype.INT32: "INT32",
        Dtype.INT64: "INT64",
        Dtype.FLOAT16: "FP16",
        Dtype.BFLOAT16: "BF16",
        Dtype.FLOAT32: "FP32",
    }
)
"""The protocol's word for each type of elements. It has none for complex numbers."""

DTYPES: Final[Mapping[str, Dtype]] = MappingProxyType({word: dtype for dtype, word in DATATYPES.items()})


@dataclass(frozen=True, slots=True)
class ContractDim:
    """A size that follows the inputs of a call. Along the batch dim, each entry is a case of its own."""

    name: str
    min: int
    max: int | None
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class TensorInput:
    """One array that a call gives, and what its elements must be."""

    name: str
    datatype: str
    shape: tuple[Size, ...]
    is_finite: bool = False
    """Whether every element must be a finite number."""
    range: tuple[float, float] | None = None
    """The least and the greatest that an element may be; integers where the datatype has such."""
    allowed: tuple[float, ...] = ()
    """Which elements there may be, ascending; any where empty."""


@dataclass(frozen=True, slots=True)
class TensorOutput:
    """One array that comes back, and what nobody is given it without."""

    name: str
    datatype: str
    shape: tuple[Size, ...]
    is_finite: bool = False
    """Whether every element must be a finite number."""


@dataclass(frozen=True, slots=True)
class FunctionContract:
    name: str
    dims: tuple[ContractDim, ...]
    inputs: tuple[TensorInput, ...]
    outputs: tuple[TensorOutput, ...]
    version: int = CONTRACT_VERSION

    @property
    def batch_dim(self) -> str | None:
        """The name of the dim along which calls may be joined."""
        return next((item.name for item in self.dims if item.is_batch), None)

    def list_graph_dims(self) -> tuple[Dim, ...]:
        """The dims as a graph has them."""
        return tuple(Dim(item.name, item.min, item.max) for item in self.dims)
