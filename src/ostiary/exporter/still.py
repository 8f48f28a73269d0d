"""Keeps all that could colour a trace still while it is made: the device, compiling, random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import mlx.core as mx

SEEDS: Final = (0x0517_1A51_5EED_0001, 0x0517_1A51_5EED_0002)
"""Of MLX's own random numbers while traces are made: numbers drawn without a key lead back to one of them."""


@contextmanager
def settled(seed: int) -> Iterator[None]:
    """On the processor, so that a trace is the same on every machine; nothing compiled, as that is not traced."""
    device, state, compiles = mx.default_device(), _read_random_state(), _is_compiling()
    mx.set_default_device(mx.Device(mx.cpu))
    mx.disable_compile()
    mx.random.seed(seed)
    try:
        yield
    finally:
        if compiles:
            mx.enable_compile()
        mx.set_default_device(device)
        mx.random.seed(state)


def is_unkeyed(constant: mx.array) -> bool:
    """Whether random numbers that are made of this array came without a key."""
    if constant.dtype != mx.uint32 or constant.size != 2:
        return False
    return _join(constant) in SEEDS


def _join(state: mx.array) -> int:
    words: Any = state.reshape((2,)).tolist()
    return int(words[0]) << 32 | int(words[1])


def _read_random_state() -> int:
    state: Any = mx.random.state
    return _join(state[0])


def _is_compiling() -> bool:
    """MLX has no question for it, but compiled operations on constants have no arguments that it could tell."""

    def double(y: mx.array) -> mx.array:
        return mx.abs(y) * 2

    def use_compiled(x: mx.array) -> mx.array:
        doubled: mx.array = mx.compile(double)(mx.zeros((1,)))
        return x + doubled

    try:
        mx.export_function(lambda _: None, use_compiled, mx.zeros((1,)))
    except ValueError:
        return True
    return False
