"""One tensor as a weights file declares it, after its numbers were checked against the file."""

from __future__ import annotations

import math

from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Tensor:
    """`start` and `end` are byte offsets in the file's data section; end - start is exactly what it needs."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.end - self.start
