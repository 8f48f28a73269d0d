"""Texts as vectors: what the network makes of a text before it would choose a token. One chunk a step."""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.worker.engines.language.caches import make_caches


class Pooling(StrEnum):
    """How one vector is made of one for each token."""

    MEAN = "mean"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Vector:
    """Of one call. `numbers`: float32, little-endian; empty where the network lost its numbers."""

    call_id: int
    tokens: int
    size: int
    numbers: bytes


@dataclass(slots=True)
class _Text:
    call_id: int
    tokens: Sequence[int]
    pooling: Pooling
    is_normalized: bool
    reserved_bytes: int
    caches: list[Any]
    done: int = 0
    total: mx.array | None = None


def find_trunk(model: Any) -> Any:
    """The part of a network below its head, where it is one that can be called by itself; else None."""
    for path in (("model",), ("language_model", "model")):
        part = model
        for name in path:
            part = getattr(part, name, None)
        if callable(part):
            return part
    return None


class Embedder:
    """For one network."""

    def __init__(self, model: Any, chunk_tokens: int) -> None:
        self._model: Final = model
        self._trunk: Final = find_trunk(model)
        self._chunk: Final = chunk_tokens
        self._texts: Final[deque[_Text]] = deque()

    @property
    def is_possible(self) -> bool:
        return self._trunk is not None

    @property
    def has_work(self) -> bool:
        return bool(self._texts)

    @property
    def reserved_bytes(self) -> int:
        """What the text at work needs: the others wait, and hold nothing."""
        return self._texts[0].reserved_bytes if self._texts else 0

    def add(
        self, call_id: int, tokens: Sequence[int], pooling: Pooling, *, is_normalized: bool, reserved_bytes: int
    ) -> None:
        self._texts.append(_Text(call_id, tokens, pooling, is_normalized, reserved_bytes, []))

    def remove(self, call_id: int) -> None:
        for text in list(self._texts):
            if text.call_id == call_id:
                self._texts.remove(text)

    def give_up(self) -> list[int]:
        """The text at work failed; its call."""
        return [self._texts.popleft().call_id] if self._texts else []

    def step(self) -> Vector | None:
        """A chunk of the first text; its vector, when that was the last one."""
        if not self._texts:
            return None
        text = self._texts[0]
        if not text.caches:
            text.caches = make_caches(self._model)
        part = text.tokens[text.done : text.done + self._chunk]
        states = self._trunk(mx.array([part]), cache=text.caches)[0].astype(mx.float32)
        if text.pooling is Pooling.LAST:
            text.total = states[-1]
        else:
            summed = mx.sum(states, axis=0)
            text.total = summed if text.total is None else text.total + summed
        mx.eval(text.total)
        text.done += len(part)
        if text.done < len(text.tokens):
            return None
        self._texts.popleft()
        return _finish(text, text.total)


def _finish(text: _Text, total: mx.array) -> Vector:
    vector = total if text.pooling is Pooling.LAST else total / len(text.tokens)
    if text.is_normalized:
        vector /= mx.maximum(mx.linalg.norm(vector), 1e-12)
    numbers: Any = vector.tolist()
    is_number = all(math.isfinite(number) for number in numbers)
    packed = struct.pack(f"<{len(numbers)}f", *numbers) if is_number else b""
    return Vector(text.call_id, len(text.tokens), len(numbers), packed)
