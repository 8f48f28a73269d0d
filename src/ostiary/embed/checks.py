"""Checks of what goes into MLX, which itself reads and writes out of bounds without a word.

A check takes a value and raises `Unfit` with a clause about it; `guard` says which argument it was. Arrays are
computed to be looked at, so a check costs one pass over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from ostiary.core.limits import MAX_INPUT_DEPTH, MAX_INPUT_ITEMS
from ostiary.embed.engine import import_mlx
from ostiary.errors import USAGE, Misuse

Check: TypeAlias = Callable[[object], None]
"""Raises `Unfit`; what it returns is not looked at."""


class Unfit(Exception):
    """A clause about a value, without the value."""


def indices(size: int) -> Check:
    """Every one is a whole number from 0 to `size` - 1: for `take`, `a[i]`, scatter, `.at[]`, an embedding."""
    return _whole_numbers(size, "an index", f"a table of {size}")


def token_ids(vocabulary: int) -> Check:
    """Every one is an id of a vocabulary of this size: the rows of the embedding, not the tokenizer's words."""
    return _whole_numbers(vocabulary, "a token id", f"a vocabulary of {vocabulary}")


def finite() -> Check:
    """No infinity and nothing that is not a number."""

    def check(value: object) -> None:
        array = _as_array(value)
        if array is None:
            if not all(_is_finite(item) for item in _flatten(value)):
                raise Unfit("it holds a number that is not finite")
        elif array.size and not import_mlx().all(import_mlx().isfinite(array)).item():
            raise Unfit("it holds a number that is not finite")

    return check


def shape(*sizes: int | None) -> Check:
    """An array of this shape; None stands for any size."""
    if not all(size is None or size >= 0 for size in sizes):
        raise Misuse(USAGE, "a shape is sizes, or None for any")

    def check(value: object) -> None:
        found = getattr(value, "shape", None)
        if not isinstance(found, tuple):
            raise Unfit("it is no array")
        if len(found) != len(sizes):
            raise Unfit(f"it does not have {len(sizes)} dimensions")
        for place, (size, wanted) in enumerate(zip(found, sizes, strict=True)):
            if wanted is not None and size != wanted:
                raise Unfit(f"its dimension {place} is not {wanted}")

    return check


def _whole_numbers(size: int, one: str, table: str) -> Check:
    if isinstance(size, bool) or size < 1:
        raise Misuse(USAGE, f"{table.partition(' of')[0]} has a size of 1 or more")

    def check(value: object) -> None:
        array = _as_array(value)
        if array is None:
            for item in _flatten(value):
                if not isinstance(item, int) or isinstance(item, bool):
                    raise Unfit("it holds something that is no whole number")
                if not 0 <= item < size:
                    raise Unfit(f"it holds {one} outside of {table}")
            return
        mx = import_mlx()
        if not mx.issubdtype(array.dtype, mx.integer):
            raise Unfit("it holds something that is no whole number")
        if array.size and not (mx.min(array).item() >= 0 and mx.max(array).item() < size):
            raise Unfit(f"it holds {one} outside of {table}")

    return check


def _as_array(value: object) -> Any | None:
    """The value as MLX has it, if it is an array of any library; None for numbers and lists."""
    if isinstance(value, list | tuple | int | float | complex):
        return None
    mx = import_mlx()
    if isinstance(value, mx.array):
        return value
    if not hasattr(value, "__array__") or not hasattr(value, "shape"):
        return None
    kind = str(getattr(value, "dtype", ""))
    if not kind.startswith(("int", "uint", "float", "bool", "complex")):
        raise Unfit("it is an array of something else than numbers")
    return mx.array(value)  # what does not fit into float32 is infinite now, as it will be for MLX


def _flatten(value: object) -> Iterator[object]:
    """The numbers of lists in lists. Not by recursion: deep lists end the process elsewhere."""
    if not isinstance(value, list | tuple):
        yield value
        return
    waiting: list[Iterator[object]] = [iter(value)]
    count = 0
    while waiting:
        item = next(waiting[-1], _END)
        if item is _END:
            waiting.pop()
        elif isinstance(item, list | tuple):
            if len(waiting) >= MAX_INPUT_DEPTH:
                raise Unfit(f"its lists are nested deeper than {int(MAX_INPUT_DEPTH)}")
            waiting.append(iter(item))
        else:
            yield item
        count += 1
        if count > MAX_INPUT_ITEMS:
            raise Unfit("its lists are too long to be looked at: make an array of them first")


_END: Final = object()


def _is_finite(item: object) -> bool:
    if isinstance(item, complex):
        return math.isfinite(item.real) and math.isfinite(item.imag)
    if isinstance(item, int | float):
        return isinstance(item, int) or math.isfinite(item)
    raise Unfit("it holds something that is no number")
