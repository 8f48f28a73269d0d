"""Caches of prompts, kept for prompts that begin alike. Each belongs to one tenant, and no other ever finds it.

A prompt is computed in chunks of a fixed size, and what is kept ends where a chunk ends. So a prompt that finds its
beginning here goes on with the very chunks it would have computed, and its answer is the same with and without.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.worker.engines.language.caches import arrays_of, can_cut, copy_caches, count_bytes


@dataclass(slots=True)
class _Entry:
    caches: list[Any]
    tokens: int
    size: int
    names: list[bytes]
    """Under which beginnings it can be found."""


class PromptCache:
    """For one model. `budget`: bytes for all tenants together; 0: nothing is kept."""

    def __init__(self, chunk_tokens: int, budget: int) -> None:
        self._chunk: Final = chunk_tokens
        self._budget: Final = budget
        self._tenants: Final[dict[str, OrderedDict[int, _Entry]]] = {}
        self._names: Final[dict[str, dict[bytes, int]]] = {}
        self._next = 0
        self._size = 0

    def find(self, tenant: str | None, tokens: Sequence[int]) -> tuple[list[Any], int] | None:
        """Caches behind the longest beginning of `tokens` that is kept, and how many tokens that is."""
        if tenant is None or tenant not in self._tenants:
            return None
        names = self._names[tenant]
        for size, name in reversed(list(self._name_beginnings(tokens))):
            number = names.get(name)
            if number is not None:
                entry = self._tenants[tenant][number]
                self._tenants[tenant].move_to_end(number)
                return copy_caches(entry.caches, size), size
        return None

    def keep(self, tenant: str | None, tokens: Sequence[int], caches: Sequence[Any]) -> None:
        """`caches`: behind exactly these tokens, which end where a chunk ends."""
        if tenant is None or not self._budget or not tokens or len(tokens) % self._chunk:
            return
        beginnings = list(self._name_beginnings(tokens))
        if beginnings[-1][1] in self._names.get(tenant, {}):
            return
        kept = copy_caches(caches, len(tokens))
        mx.eval(arrays_of(kept))
        entry = _Entry(kept, len(tokens), count_bytes(kept), [])
        if entry.size > self._budget:
            return
        entry.names = [name for size, name in beginnings if size == len(tokens) or can_cut(kept, size)]
        names = self._names.setdefault(tenant, {})
        self._next += 1
        self._tenants.setdefault(tenant, OrderedDict())[self._next] = entry
        self._size += entry.size
        for name in entry.names:
            before = names.get(name)
            names[name] = self._next
            if before is not None:
                self._forget_if_unnamed(tenant, before, name)
        self.shrink(self._budget)

    def shrink(self, size: int) -> None:
        """Lets go of what is over `size` bytes, because something else needs the room."""
        while self._tenants and self._size > size:
            self._drop_oldest()

    def _forget_if_unnamed(self, tenant: str, number: int, name: bytes) -> None:
        """What a newer entry holds as well need not be kept twice."""
        entry = self._tenants[tenant][number]
        entry.names.remove(name)
        if not entry.names:
            self._drop(tenant, number)

    def _drop_oldest(self) -> None:
        """Of the tenant that holds most, so that nobody's flood takes what others keep."""
        tenant = max(self._tenants, key=lambda name: sum(entry.size for entry in self._tenants[name].values()))
        self._drop(tenant, next(iter(self._tenants[tenant])))

    def _drop(self, tenant: str, number: int) -> None:
        entry = self._tenants[tenant].pop(number)
        self._size -= entry.size
        names = self._names[tenant]
        for name in entry.names:
            if names.get(name) == number:
                del names[name]
        if not self._tenants[tenant]:
            del self._tenants[tenant], self._names[tenant]

    def _name_beginnings(self, tokens: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Every beginning that ends with a chunk: its size, and a digest of all its tokens."""
        digest = hashlib.blake2b(digest_size=16)
        for start in range(0, len(tokens) - self._chunk + 1, self._chunk):
            digest.update(array("q", tokens[start : start + self._chunk]).tobytes())
            yield start + self._chunk, digest.digest()
