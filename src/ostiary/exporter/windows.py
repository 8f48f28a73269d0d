"""Pooling whose windows are cut in one way at all sizes.

Where windows do not overlap and fill the array, `mlx.nn` cuts them by a reshape, and else by strides. A graph whose
sizes vary can have only one of them; strides do for both, and the elements are the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import mlx.core as mx

_POOLING: Final[Any] = importlib.import_module("mlx.nn.layers.pooling")
_NAME: Final = "_non_overlapping_sliding_windows"


@contextmanager
def strided_windows(*, wanted: bool) -> Iterator[None]:
    """While a function is traced or tried whose inner sizes vary."""
    original = getattr(_POOLING, _NAME, None)
    if not wanted or original is None:
        yield
        return
    setattr(_POOLING, _NAME, _cut)
    try:
        yield
    finally:
        setattr(_POOLING, _NAME, original)


def _cut(x: mx.array, shape: Sequence[int], window: Sequence[int]) -> mx.array:
    """[batch, windows along each axis..., within a window..., channels]."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    counts = [size // part for size, part in zip(shape[1:-1], window, strict=True)]
    steps = [stride * part for stride, part in zip(strides[1:-1], window, strict=True)]
    return mx.as_strided(
        x, (shape[0], *counts, *window, shape[-1]), (strides[0], *steps, *strides[1:-1], strides[-1])
    )
