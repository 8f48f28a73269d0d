"""The caches of one sequence, one for each layer: made, copied, cut back, measured. Their classes are MLX-LM's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.networks.library import import_part


def make_caches(model: Any) -> list[Any]:
    """Empty ones, of the kinds that the network asks for."""
    made: list[Any] = import_part("models.cache").make_prompt_cache(model)
    return made


def arrays_of(caches: Sequence[Any]) -> list[mx.array]:
    """All that they hold, to be computed."""
    found: list[mx.array] = []

    def note(array: mx.array) -> mx.array:
        found.append(array)
        return array

    for cache in caches:
        _map_arrays(cache, note)
    return found


def count_bytes(caches: Sequence[Any]) -> int:
    return sum(array.nbytes for array in arrays_of(caches))


def copy_caches(caches: Sequence[Any], tokens: int | None = None) -> list[Any]:
    """Caches that go on by themselves; with `tokens`, those after so many tokens (see `can_cut`).

    Arrays are shared until one side writes: what MLX would write into while another refers to it, it copies first.
    """
    copied = [_map_arrays(cache, copy.copy) for cache in caches]
    if tokens is not None:
        for cache in copied:
            surplus = cache.size() - tokens
            if surplus > 0:
                cache.trim(surplus)
            _drop_unused(cache)
    return copied


def can_cut(caches: Sequence[Any], tokens: int) -> bool:
    """Whether they can be taken back to `tokens` tokens as if the rest had never been."""
    return all(_can_cut(cache, tokens) for cache in caches)


def _can_cut(cache: Any, tokens: int) -> bool:
    if not hasattr(cache, "offset"):
        return False
    return cache.offset == tokens or bool(cache.is_trimmable())


def _drop_unused(cache: Any) -> None:
    """A cache keeps room for tokens to come; one that is put aside need not. Only for those that grow in place."""
    used = getattr(cache, "offset", 0)
    if type(cache).__name__ == "KVCache" and cache.keys is not None and used < cache.keys.shape[2]:
        cache.keys = mx.contiguous(cache.keys[:, :, :used])
        cache.values = mx.contiguous(cache.values[:, :, :used])


def _map_arrays(cache: Any, change: Any) -> Any:
    """A cache like this one whose arrays are changed; lists and caches within are made anew as well."""
    if isinstance(cache, mx.array):
        return change(cache)
    if isinstance(cache, list | tuple):
        return type(cache)(_map_arrays(item, change) for item in cache)
    if not hasattr(cache, "__dict__"):
        return cache
    twin = copy.copy(cache)
    for name, value in vars(cache).items():
        setattr(twin, name, _map_arrays(value, change))
    return twin


@dataclass(frozen=True, slots=True)
class CacheNeed:
    """What the caches of one sequence take, in bytes; sizes go up in steps of `STEP_TOKENS` for each."""

    growing: int
    """For each token, in layers that keep all of them."""
    windowed: tuple[tuple[int, int], ...]
    """Layers that keep the newest only: how many, and bytes for each of these."""
    fixed: int
    """Whatever the length, in layers that keep a state."""

    def bytes_for(self, tokens: int) -> int:
        kept = self.growing * _round_up(tokens)
        kept += sum(per_token * min(_round_up(tokens), window) for window, per_token in self.windowed)
        return kept + self.fixed


STEP_TOKENS = 256
"""MLX-LM lets a cache grow by so many tokens at once."""


def _round_up(tokens: int) -> int:
    return -(-tokens // STEP_TOKENS) * STEP_TOKENS


def measure_need(caches: Sequence[Any]) -> CacheNeed:
    """From caches that one token went through."""
    growing, fixed = 0, 0
    windows: dict[int, int] = {}
    for cache in caches:
        arrays = arrays_of([cache])
        keys = getattr(cache, "keys", None)
        if keys is None:
            fixed += sum(array.nbytes for array in arrays)
            continue
        per_token = sum(array.nbytes // array.shape[2] for array in arrays if array.ndim > 2)
        window = getattr(cache, "max_size", None)
        if window is None:
            growing += per_token
        else:
            windows[int(window)] = windows.get(int(window), 0) + per_token
    return CacheNeed(growing, tuple(sorted(windows.items())), fixed)
