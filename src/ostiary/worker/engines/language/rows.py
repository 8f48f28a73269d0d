"""Several sequences in one forward pass, each with a cache of its own.

A network hands its keys and values to the cache of a layer and gets back what attention is to look at. For a batch
it gets a `Rows`: each row's part goes to that row's own cache (MLX-LM's, as for a single sequence), and attention
runs row by row over exactly what that row may see. All else in a network treats rows alike and apart.

So no padding is ever attended to, joining and leaving a batch copies nothing, a row's numbers are those that it
would have alone (to the bit where the matrix product of a row does not depend on how many there are), and the cache
of one request is never in one array with another's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.worker.engines.language.caches import arrays_of

STAGE_ROWS: Final = 16
"""Rows of one layer that are computed in one go, where somebody may want to go in between."""


class RowArrays(list[mx.array]):
    """One array for each row, where a network expects one for all."""

    @property
    def dtype(self) -> mx.Dtype:
        return self[0].dtype

    def astype(self, dtype: mx.Dtype) -> RowArrays:
        return RowArrays(array.astype(dtype) for array in self)


class Rows:
    """What a layer sees as its cache. `lengths`: how many positions of each row count; the rest is filling.

    `stages`: takes what lies on the way to the result (see `forward_rows`).
    """

    def __init__(
        self,
        caches: Sequence[Any],
        lengths: Sequence[int] | None = None,
        stages: list[list[mx.array]] | None = None,
    ) -> None:
        self._caches: Final = caches
        self._lengths: Final = lengths
        self._stages: Final = stages

    @property
    def offset(self) -> mx.array:
        """Where each row stands, for positions."""
        return mx.array([cache.offset for cache in self._caches])

    def make_mask(self, size: int, return_array: bool = False, window_size: int | None = None) -> list[Any]:
        """One mask for each row, as each row's own cache makes it."""
        lengths = self._lengths or [size] * len(self._caches)
        return [
            cache.make_mask(length, return_array=return_array, window_size=window_size)
            for cache, length in zip(self._caches, lengths, strict=True)
        ]

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[RowArrays, RowArrays]:
        kept = [
            cache.update_and_fetch(key, value)
            for cache, key, value in zip(self._caches, self._split(keys), self._split(values), strict=True)
        ]
        return RowArrays(key for key, _ in kept), RowArrays(value for _, value in kept)

    def attend(  # noqa: PLR0917  MLX-LM's form
        self,
        attend: Callable[..., mx.array],
        queries: mx.array,
        keys: Sequence[mx.array],
        values: Sequence[mx.array],
        scale: float,
        mask: Sequence[Any] | None,
        sinks: mx.array | None,
    ) -> mx.array:
        """`attend`: the network's own attention, for one sequence."""
        rows = self._split(queries)
        masks = [None] * len(rows) if mask is None else mask
        done = [
            attend(row, key, value, cache=cache, scale=scale, mask=row_mask, sinks=sinks)
            for row, key, value, cache, row_mask in zip(rows, keys, values, self._caches, masks, strict=True)
        ]
        if self._stages is not None:
            self._stages.extend(done[start : start + STAGE_ROWS] for start in range(0, len(done), STAGE_ROWS))
        return mx.concatenate([_fill(row, queries.shape[2]) for row in done])

    def _split(self, array: mx.array) -> list[mx.array]:
        rows: list[mx.array] = list(mx.split(array, len(self._caches)))
        if self._lengths is None:
            return rows
        return [row[:, :, :length] for row, length in zip(rows, self._lengths, strict=True)]


def _fill(row: mx.array, size: int) -> mx.array:
    missing = size - row.shape[2]
    return mx.pad(row, [(0, 0), (0, 0), (0, missing), (0, 0)]) if missing else row


def forward_rows(
    model: Any,
    tokens: mx.array,
    caches: Sequence[Sequence[Any]],
    lengths: Sequence[int],
    *,
    together: bool,
    stages: list[list[mx.array]] | None = None,
) -> mx.array:
    """The logits behind the last position that counts in each row: rows by vocabulary.

    `tokens`: rows by positions, filled on the right; `caches`: row by layer; `together`: in one pass for all rows.
    `stages`: takes arrays that lie on the way there, in the order in which they are computed. Whoever computes them
    one after the other can do something else in between; the numbers are the same.
    """
    size = tokens.shape[1]
    if len(caches) == 1:
        alone: mx.array = model(tokens, cache=list(caches[0]))
        if stages is not None and size > 1:
            stages += [arrays for arrays in (arrays_of([layer]) for layer in caches[0]) if arrays]
        return alone[:, -1, :]
    if not together:
        rows = [
            model(tokens[row : row + 1, :length], cache=list(cache))[:, -1, :]
            for row, (cache, length) in enumerate(zip(caches, lengths, strict=True))
        ]
        if stages is not None:
            stages += [[row] for row in rows]
        return mx.concatenate(rows)
    is_even = all(length == size for length in lengths)
    layers = [Rows(layer, None if is_even else lengths, stages) for layer in zip(*caches, strict=True)]
    logits: mx.array = model(tokens, cache=layers)
    if is_even:
        return logits[:, -1, :]
    return mx.take_along_axis(logits, mx.array([length - 1 for length in lengths])[:, None, None], axis=1)[:, 0, :]
