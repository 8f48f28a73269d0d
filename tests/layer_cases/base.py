"""What a layer of mlx.nn is tried with. MLX is imported by whoever runs a case, so the names can be read without."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Make = Callable[[Any, Any], Callable[..., Any]]
"""From `mlx.core` and `mlx.nn`, the function or module."""


@dataclass(frozen=True, slots=True)
class Given:
    """An array of examples: `kind` is float, unit (between 0 and 1), sign, or the number that indices stay below."""

    shape: tuple[int, ...]
    kind: str | int = "float"


@dataclass(frozen=True, slots=True)
class Case:
    layer: str
    """As it is called in mlx.nn."""
    variant: str
    make: Make
    given: tuple[Given, ...]
    dims: str | Mapping[str, Any] | None = "batch"
    is_wide_only: bool = False
    """Whether it is tried in float32 alone, as MLX has nothing else for it."""

    @property
    def title(self) -> str:
        return f"{self.layer}-{self.variant}" if self.variant else self.layer

    def make_arrays(self, mx: Any, dtype: Any, leading: int | None = None) -> list[Any]:
        """The same numbers each time; `leading` is another size of every first axis."""
        chance = random.Random(self.title)  # noqa: S311  the same each time
        arrays = []
        for item in self.given:
            shape = item.shape if leading is None or not item.shape else (leading, *item.shape[1:])
            numbers = [_draw(chance, item.kind) for _ in range(math.prod(shape))]
            kind = mx.int32 if isinstance(item.kind, int) else dtype
            arrays.append(mx.array(numbers).reshape(shape).astype(kind))
        return arrays


def _draw(chance: random.Random, kind: str | int) -> float:
    if isinstance(kind, int):
        return chance.randrange(kind)
    if kind == "unit":
        return chance.uniform(0.05, 0.95)
    if kind == "sign":
        return chance.choice((-1.0, 1.0))
    return chance.uniform(-2.0, 2.0)


def case(
    layer: str,
    make: Make,
    *given: Given | tuple[int, ...],
    variant: str = "",
    dims: str | Mapping[str, Any] | None = "batch",
    is_wide_only: bool = False,
) -> Case:
    """A case; plain shapes are of floats."""
    arrays = tuple(item if isinstance(item, Given) else Given(item) for item in given)
    return Case(layer, variant, make, arrays, dims, is_wide_only)
