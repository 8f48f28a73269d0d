"""What the interpreter has for each primitive: something that makes the call to MLX out of a node's attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.tensor_bytes import MLX_DTYPES, read_shape

Run: TypeAlias = Callable[..., Any]
"""Arrays in, an array out, or a list of arrays where the operation has several results. Nothing is computed yet."""

Make: TypeAlias = Callable[[Call, tuple[TensorType, ...]], Run]
"""From types without dims: inference took them, so that nothing is judged here."""


def plainly(run: Run) -> Make:
    """Of an operation that has no attributes."""
    return lambda _call, _outputs: run


def make_nothing(outputs: Sequence[TensorType]) -> Run:
    """Arrays without elements, whatever goes in."""
    made = [mx.zeros(read_shape(output.shape), MLX_DTYPES[output.dtype]) for output in outputs]
    return lambda *_given: made[0] if len(made) == 1 else made
