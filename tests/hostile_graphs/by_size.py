"""What would take all memory or time, and sizes that only a call decides."""

from __future__ import annotations

from collections.abc import Callable

from graph_builder import GraphBuilder

from hostile_graphs.base import End, Hostile
from ostiary.graph.dtypes import Dtype

F, I = Dtype.FLOAT32, Dtype.INT32  # noqa: E741
HUGE = 1 << 20


def _broadcast(b: GraphBuilder) -> object:
    """Costs nothing itself; what is computed from it does."""
    wide = b.add("broadcast_to", b.input(F, 1), shape=(HUGE, HUGE))
    return b.output(b.add("sum", b.add("exp", wide), axes=(0, 1), keepdims=False))


def _only_broadcast(b: GraphBuilder) -> object:
    return b.output(b.add("broadcast_to", b.input(F, 1), shape=(HUGE, HUGE)))


def _row(b: GraphBuilder) -> object:
    return b.output(
        b.add("sum", b.add("arange", start=0.0, step=1.0, size=1 << 31 - 1, dtype=F), axes=(0,), keepdims=False)
    )


def _many_at_once(b: GraphBuilder) -> object:
    """Forty arrays of 64 MiB, none of which can go before the last is there."""
    one = b.add("broadcast_to", b.input(F, 1), shape=(1 << 24,))
    values = [
        b.add("exp", b.add("multiply", one, b.add("size_value", size=number, dtype=F))) for number in range(40)
    ]
    total = values[0]
    for value in values[1:]:
        total = b.add("add", total, value)
    return b.output(b.add("sum", total, axes=(0,), keepdims=False))


def _one_after_another(b: GraphBuilder) -> object:
    """The same in an order in which two are enough."""
    one = b.add("broadcast_to", b.input(F, 1), shape=(1 << 22,))
    total = b.add("exp", one)
    for number in range(40):
        total = b.add(
            "add", total, b.add("exp", b.add("multiply", one, b.add("size_value", size=number % 3, dtype=F)))
        )
    return b.output(b.add("max", total, axes=(0,), keepdims=False))


def _deep(count: int) -> Callable[[GraphBuilder], object]:
    def build(b: GraphBuilder) -> object:
        value = b.input(F, 1)
        for _ in range(count):
            value = b.add("negative", value)
        return b.output(value)

    return build


def _work(b: GraphBuilder) -> object:
    value = b.add("broadcast_to", b.input(F, 1, 1), shape=(1 << 13, 1 << 13))
    for _ in range(512):
        value = b.add("matmul", value, value)
    return b.output(b.add("sum", value, axes=(0, 1), keepdims=False))


def _rest(b: GraphBuilder) -> object:
    """All but the first: nothing, where there is only one."""
    n = b.dim("n", 1, 100)
    x = b.input(F, n)
    rest = b.add("slice", x, start=(1,), stop=(n,), step=(1,))
    return b.output(b.add("max", rest, axes=(0,), keepdims=False))


def _square(b: GraphBuilder) -> object:
    """A size that grows faster than what is given."""
    n = b.dim("n", 1, None)
    x = b.input(F, n)
    wide = b.add("broadcast_to", b.add("reshape", x, shape=(n, 1)), shape=(n, n))
    return b.output(b.add("sum", b.add("exp", wide), axes=(0, 1), keepdims=False))


def _window(b: GraphBuilder) -> object:
    """A window that fits into some images only."""
    n = b.dim("n", 1, 100)
    x, w = b.input(F, 1, n, 2), b.input(F, 3, 5, 2)
    value = b.add(
        "convolution", x, w, stride=(1,), padding_low=(0,), padding_high=(0,), kernel_dilation=(1,),
        input_dilation=(1,), groups=1, flip=False,
    )  # fmt: skip
    return b.output(value)


def _padded(far: int) -> Callable[[GraphBuilder], object]:
    """One number, padded by so many on two sides: MLX makes all of them, to look at four."""

    def build(b: GraphBuilder) -> object:
        value = b.add(
            "convolution", b.input(F, 1, 1, 1, 1), b.input(F, 1, 1, 1, 1), stride=(far, far), padding_low=(far, far),
            padding_high=(0, 0), kernel_dilation=(1, 1), input_dilation=(1, 1), groups=1, flip=False,
        )  # fmt: skip
        return b.output(value)

    return build


def _backwards(stride: int, offset: int) -> Callable[[GraphBuilder], object]:
    """A stride or an offset that looks like a size, and is below zero where n is 10."""

    def build(b: GraphBuilder) -> object:
        n = b.dim("n", 1, 10_000_000)
        return b.output(b.add("as_strided", b.input(F, n), shape=(4,), strides=(n - stride,), offset=n - offset))

    return build


def _border(before: int, after: int) -> Callable[[GraphBuilder], object]:
    def build(b: GraphBuilder) -> object:
        n = b.dim("n", 1, 1_000)
        return b.output(b.add("pad", b.input(F, n), b.input(F), before=(n - before,), after=(after - n,)))

    return build


def _far_apart(b: GraphBuilder) -> object:
    """Two to the thirty-second places along one axis, of which 4,097 hold a number: more than engines can count."""
    n = b.dim("n", 1, 5_000)
    value = b.add(
        "convolution", b.input(F, 1, n, 1), b.input(F, 1, 1, 1), stride=(HUGE,), padding_low=(0,),
        padding_high=(0,), kernel_dilation=(1,), input_dilation=(HUGE,), groups=1, flip=False,
    )  # fmt: skip
    return b.output(value)


_ONE = ((1, 1, 1, 1), [1.0])
_TEN = ((10,), [1.0] * 10)
BY_SIZE = (
    Hostile("a stride that leads out in front", _backwards(12, 10), [_TEN]),
    Hostile("a stride that leads far away", _backwards(1_000_010, 10), [_TEN]),
    Hostile("an offset in front of the array", _backwards(9, 20), [_TEN]),
    Hostile("strides that stay within", _backwards(9, 10), [_TEN], End.HARMLESS),
    Hostile("a border that takes away in front", _border(50, 100), [_TEN, ((), [0.0])]),
    Hostile("a border that takes away behind", _border(5, 5), [_TEN, ((), [0.0])]),
    Hostile("a window over numbers far apart", _far_apart, [((1, 4_097, 1), [1.0] * 4_097), ((1, 1, 1), [1.0])]),
    Hostile("padding of a million on two sides", _padded(1 << 20), [_ONE, _ONE]),
    Hostile("padding of a hundred on two sides", _padded(100), [_ONE, _ONE], End.HARMLESS),
    Hostile("an array of two to the fortieth", _broadcast, [((1,), [1.0])]),
    Hostile("an answer of two to the fortieth", _only_broadcast, [((1,), [1.0])]),
    Hostile("a row of two thousand million", _row, []),
    Hostile("many arrays at once", _many_at_once, [((1,), [1.0])]),
    Hostile("many arrays one after another", _one_after_another, [((1,), [1.0])], End.HARMLESS),
    Hostile("five thousand operations in a chain", _deep(5_000), [((1,), [1.0])], End.HARMLESS),
    Hostile("more work than an hour has", _work, [((1, 1), [1.0])]),
    Hostile("the greatest of a rest of nothing", _rest, [((1,), [1.0])]),
    Hostile("the greatest of a rest", _rest, [((2,), [1.0, 2.0])], End.HARMLESS),
    Hostile("a square of a long row", _square, [((60_000,), [1.0] * 60_000)]),
    Hostile("an image smaller than the window", _window, [((1, 4, 2), [1.0] * 8), ((3, 5, 2), [1.0] * 30)]),
    Hostile("an image as large as the window", _window, [((1, 5, 2), [1.0] * 10), ((3, 5, 2), [1.0] * 30)], End.HARMLESS),
)  # fmt: skip
