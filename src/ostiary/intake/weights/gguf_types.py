"""The numbers of the GGUF format: value types and tensor types.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from ostiary.core.values import dataclass


class ValueType(IntEnum):
    """Types of metadata values."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


VALUE_BYTES: Final[Mapping[int, int]] = MappingProxyType(
    {
        ValueType.UINT8: 1,
        ValueType.INT8: 1,
        ValueType.UINT16: 2,
        ValueType.INT16: 2,
        ValueType.UINT32: 4,
        ValueType.INT32: 4,
        ValueType.FLOAT32: 4,
        ValueType.BOOL: 1,
        ValueType.UINT64: 8,
        ValueType.INT64: 8,
        ValueType.FLOAT64: 8,
    }
)


@dataclass(frozen=True, slots=True)
class TensorType:
    """How elements are packed: `block_bytes` hold `block_elements`."""

    name: str
    block_elements: int
    block_bytes: int


# 4, 5 (Q4_2, Q4_3), 31 to 33 and 36 to 38 were withdrawn and have no layout any more.
TENSOR_TYPES: Final[Mapping[int, TensorType]] = MappingProxyType(
    {
        0: TensorType("F32", 1, 4),
        1: TensorType("F16", 1, 2),
        2: TensorType("Q4_0", 32, 18),
        3: TensorType("Q4_1", 32, 20),
        6: TensorType("Q5_0", 32, 22),
        7: TensorType("Q5_1", 32, 24),
        8: TensorType("Q8_0", 32, 34),
        9: TensorType("Q8_1", 32, 36),
        10: TensorType("Q2_K", 256, 84),
        11: TensorType("Q3_K", 256, 110),
        12: TensorType("Q4_K", 256, 144),
        13: TensorType("Q5_K", 256, 176),
        14: TensorType("Q6_K", 256, 210),
        15: TensorType("Q8_K", 256, 292),
        16: TensorType("IQ2_XXS", 256, 66),
        17: TensorType("IQ2_XS", 256, 74),
        18: TensorType("IQ3_XXS", 256, 98),
        19: TensorType("IQ1_S", 256, 50),
        20: TensorType("IQ4_NL", 32, 18),
        21: TensorType("IQ3_S", 256, 110),
        22: TensorType("IQ2_S", 256, 82),
        23: TensorType("IQ4_XS", 256, 136),
        24: TensorType("I8", 1, 1),
        25: TensorType("I16", 1, 2),
        26: TensorType("I32", 1, 4),
        27: TensorType("I64", 1, 8),
        28: TensorType("F64", 1, 8),
        29: TensorType("IQ1_M", 256, 56),
        30: TensorType("BF16", 1, 2),
        34: TensorType("TQ1_0", 256, 54),
        35: TensorType("TQ2_0", 256, 66),
        39: TensorType("MXFP4", 32, 17),
    }
)
# MLX unpacks these into weight, scales and biases.
UNPACKED_BY_MLX: Final = frozenset({"Q4_0", "Q4_1", "Q8_0"})
