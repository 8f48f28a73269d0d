"""A tensor on its way: what it says it is, and its bytes. And what is asked of a function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ostiary.core.values import dataclass

ITEM_BYTES: Final[Mapping[str, int]] = {
    "BOOL": 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "BF16": 2,
    "FP32": 4,
    "FP64": 8,
}
"""Of one number, by datatype in the words of the Open Inference Protocol. FP64 is here to be refused by name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A claim: that the bytes fit the shape and the datatype is for whoever uses them to check."""

    datatype: str
    shape: tuple[int, ...]
    data: memoryview
    """Contiguous, little-endian, the last dimension first; of format B. Whoever gave it must not change it."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class ExpectedTensor:
    """What an output has to be, once the inputs are known."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    is_finite: bool = False

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.datatype]


@dataclass(frozen=True, slots=True)
class ParsedTensors:
    """What somebody asks of a function: names of inputs to tensors, or to numbers in lists. Nothing is checked."""

    inputs: Mapping[str, object]
    timeout_seconds: object = None
    """None: as long as the model's limits allow."""
