"""One or more cases for each primitive."""

from __future__ import annotations

from primitive_cases.base import Case
from primitive_cases.elementwise import ELEMENTWISE
from primitive_cases.index import INDEX
from primitive_cases.linear import LINEAR
from primitive_cases.packed import FAST, QUANTIZED
from primitive_cases.reduction import REDUCTION
from primitive_cases.shape import SHAPE

CASES = (*ELEMENTWISE, *SHAPE, *REDUCTION, *INDEX, *LINEAR, *QUANTIZED, *FAST)

__all__ = ["CASES", "Case"]
