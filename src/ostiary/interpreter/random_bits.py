"""MLX's random bits from a key. MLX has no call for them alone, but splitting a key gives the same ones.

Splitting gives an even number of words. An odd number differs from the next even one in its middle word only, which
is computed here: one block of Threefry-2x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import mlx.core as mx

_ROTATIONS: Final = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY: Final = 0x1BD1_1BDA
_WORD: Final = (1 << 32) - 1
_WORD_BYTES: Final = 4
_CODES: Final = {1: mx.uint8, 2: mx.uint16, 4: mx.uint32}


def make_random_bits(shape: Sequence[int], width: int) -> Callable[[mx.array], mx.array]:
    """`width`: bytes of each number."""
    total, dtype = math.prod(shape), _CODES[width]
    if not total:
        return lambda _key: mx.zeros(tuple(shape), dtype)
    words = -(-total * width // _WORD_BYTES)

    def draw(key: mx.array) -> mx.array:
        drawn = _draw_words(key, words)
        if width != _WORD_BYTES:
            drawn = mx.view(drawn, dtype)[:total]
        return mx.reshape(drawn, tuple(shape))

    return draw


def _draw_words(key: mx.array, words: int) -> mx.array:
    if words % 2 == 0:
        return mx.reshape(mx.random.split(key, words // 2), (words,))
    middle = _hash_first(key, words // 2)
    if words == 1:
        return middle
    even = mx.reshape(mx.random.split(key, words // 2 + 1), (words + 1,))
    return mx.concatenate([even[: words // 2], middle, even[words // 2 + 1 : words]])


def _hash_first(key: mx.array, count: int) -> mx.array:
    """The first word of the block for (count, 0)."""
    one, two = key[0:1], key[1:2]
    keys = (one, two, mx.bitwise_xor(mx.bitwise_xor(one, two), _word(_PARITY)))
    first = mx.add(_word(count), one)
    second = mx.add(_word(0), two)
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            first = mx.add(first, second)
            left = mx.left_shift(second, _word(rotation))
            second = mx.bitwise_xor(mx.bitwise_or(left, mx.right_shift(second, _word(32 - rotation))), first)
        first = mx.add(first, keys[(block + 1) % 3])
        second = mx.add(mx.add(second, keys[(block + 2) % 3]), _word(block + 1))
    return first


def _word(number: int) -> mx.array:
    return mx.array(number & _WORD, mx.uint32)
