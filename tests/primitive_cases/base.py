"""What a case of a primitive is: attributes, shapes of its inputs, and how a researcher would write it in MLX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ostiary.graph.dtypes import Dtype

INTEGER = (Dtype.INT32, Dtype.UINT8, Dtype.INT64)
REAL = (Dtype.FLOAT32, Dtype.FLOAT16, Dtype.BFLOAT16)
FLOAT = (Dtype.FLOAT32, Dtype.FLOAT16, Dtype.BFLOAT16)
ONE = (Dtype.FLOAT32,)
COMPLEX = (Dtype.COMPLEX64,)
ALL = tuple(Dtype)


@dataclass(frozen=True)
class Case:
    """`dtypes`: each is tried for all inputs that `fixed` gives no other."""

    op: str
    shapes: Sequence[tuple[int, ...]]
    reference: Callable[..., Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dtypes: Sequence[Dtype] = FLOAT
    fixed: Mapping[int, Dtype] = field(default_factory=dict)
    values: Mapping[int, Sequence[float]] = field(default_factory=dict)
    """Of inputs that must not be just any numbers."""
    low: float = -2.0
    high: float = 2.0
    rounding: float = 1e-6
    """Beside what the element type rounds by."""

    @property
    def name(self) -> str:
        told = ",".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{self.op}({told}) {'x'.join(str(list(shape)) for shape in self.shapes)}"
