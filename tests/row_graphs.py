"""Small graphs with a batch, in which rows stay apart, and in which they could meet."""

from __future__ import annotations

from collections.abc import Callable

from graph_builder import GraphBuilder

from ostiary.graph.dtypes import Dtype
from ostiary.graph.sizes import Size

F, I, U = Dtype.FLOAT32, Dtype.INT32, Dtype.UINT32  # noqa: E741
Build = Callable[[GraphBuilder, Size], object]


def _conv(b: GraphBuilder, x: int, w: int) -> int:
    return b.add(
        "convolution", x, w, stride=(1,), padding_low=(0,), padding_high=(0,), kernel_dilation=(1,),
        input_dilation=(1,), groups=1, flip=False,
    )  # fmt: skip


def _linear(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 3)
    w, c = b.constant(F, (3, 2), [0.5] * 6), b.constant(F, (2,), [1.0] * 2)
    return b.output(b.add("add", b.add("matmul", x, w), c))


def _flat_linear(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 4, 3)
    w, c = b.constant(F, (3, 2), [0.5] * 6), b.constant(F, (2,), [1.0] * 2)
    flat = b.add("reshape", x, shape=(n * 4, 3))
    return b.output(b.add("reshape", b.add("addmm", flat, w, c, alpha=1.0, beta=1.0), shape=(n, 4, 2)))


def _image(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 6, 2)
    w = b.constant(F, (3, 3, 2), [0.1] * 18)
    return b.output(b.add("max", _conv(b, x, w), axes=(1,), keepdims=False))


def _attention(b: GraphBuilder, n: Size) -> object:
    x, mask = b.input(F, n, 2, 3, 4), b.input(F, n, 1, 1, 3)
    return b.output(b.add("attention", x, x, x, mask, scale=0.5, causal=False))


def columns(b: GraphBuilder, n: Size) -> object:
    """The entries lie along the second axis, then along the first."""
    x = b.input(F, 3, n)
    return b.output(b.add("softmax", b.add("transpose", x, axes=(1, 0)), precise=False))


def _embedding(b: GraphBuilder, n: Size) -> object:
    ids = b.input(I, n, 4)
    table = b.constant(F, (5, 2), [1.0] * 10)
    return b.output(b.add("take", table, ids, axis=0))


def _gathered(b: GraphBuilder, n: Size) -> object:
    ids = b.input(I, n)
    table = b.constant(F, (5, 2), [1.0] * 10)
    return b.output(b.add("squeeze", b.add("gather", table, ids, axes=(0,)), axes=(1,)))


def _chosen(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 4)
    order = b.add("argsort", x, axis=1)
    return b.output(b.add("take_along_axis", x, order, axis=1))


def masked_by_shared(b: GraphBuilder, n: Size) -> object:
    x, scale = b.input(F, n, 4), b.input(F)
    wide = b.add("broadcast_to", scale, shape=(n, 4))
    return b.output(b.add("multiply", x, wide), b.add("negative", scale))


def _split(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 6)
    part = b.add("split", x, axis=1, at=(2, 4))
    return b.output(b.add("concatenate", part, part + 2, axis=1))


def _own_size(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 6)
    count = b.add("number_of_elements", x, axes=(1,), inverted=True, dtype=F)
    return b.output(b.add("multiply", b.add("sum", x, axes=(1,), keepdims=True), count))


def _packed(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 64)
    words = b.constant(U, (3, 8), [7.0] * 24)
    scales = b.constant(F, (3, 2), [1.0] * 6)
    return b.output(
        b.add("quantized_matmul", x, words, scales, scales, group_size=32, bits=4, mode="affine", transpose=True)
    )


def _products(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 2, 3)
    return b.output(b.add("matmul", x, b.add("transpose", x, axes=(0, 2, 1))))


def _update(b: GraphBuilder, n: Size) -> object:
    x, y = b.input(F, n, 4), b.input(F, n, 2)
    return b.output(b.add("slice_update", x, y, start=(0, 1), stop=(n, 3), step=(1, 1), reduce="none"))


def _windows(b: GraphBuilder, n: Size) -> object:
    """Of two numbers along five, as pooling takes them that overlaps."""
    flat = b.add("reshape", b.input(F, n, 5, 2), shape=(n * 10,))
    return b.output(b.add("as_strided", flat, shape=(n, 4, 2, 2), strides=(10, 2, 2, 1), offset=0))


def _recurrent(b: GraphBuilder, n: Size) -> object:
    """A state that is carried along."""
    x, state = b.input(F, n, 3), b.input(F, n, 2)
    w = b.constant(F, (3, 2), [0.5] * 6)
    first = b.add("addmm", x, w, state, alpha=1.0, beta=1.0)
    return b.output(first)


def _packed_rows(b: GraphBuilder, n: Size) -> object:
    ids = b.input(I, n)
    words = b.constant(U, (3, 8), [7.0] * 24)
    scales = b.constant(F, (3, 2), [1.0] * 6)
    taken = [b.add("take", value, ids, axis=0) for value in (words, scales, scales)]
    return b.output(b.add("dequantize", *taken, group_size=32, bits=4, mode="affine", dtype=F))


APART = (
    _recurrent, _packed_rows,
    _linear, _flat_linear, _image, _attention, columns, _embedding, _gathered, _chosen, masked_by_shared, _split,
    _own_size, _packed, _products, _update, _windows,
)  # fmt: skip


def _simple(op: str, **attributes: object) -> Build:
    return lambda b, n: b.output(b.add(op, b.input(F, n, 4), **attributes))


def _grammar(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 4)
    return b.output(b.add("matmul", b.add("transpose", x, axes=(1, 0)), x))


def _meets_itself(b: GraphBuilder, n: Size) -> object:
    """Each entry minus every other."""
    x = b.input(F, n)
    one = b.add("reshape", x, shape=(n, 1))
    return b.output(b.add("max", b.add("subtract", x, one), axes=(1,), keepdims=False))


def _numbered(b: GraphBuilder, n: Size) -> object:
    """The number of an entry is another when it comes with others."""
    x = b.input(F, n)
    return b.output(b.add("add", x, b.add("arange", start=0.0, step=1.0, size=n, dtype=F)))


def _counted(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n)
    return b.output(b.add("multiply", x, b.add("size_value", size=n, dtype=F)))


def _counted_elements(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n)
    return b.output(b.add("multiply", x, b.add("number_of_elements", x, axes=(0,), inverted=False, dtype=F)))


def _random(b: GraphBuilder, n: Size) -> object:
    x, key = b.input(U, n), b.input(U, 2)
    return b.output(b.add("add", x, b.add("random_bits", key, shape=(n,), width=4)))


def _first_entry(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n, 4)
    return b.output(b.add("slice", x, start=(0, 0), stop=(1, 4), step=(1, 1)))


def _backwards(b: GraphBuilder, n: Size) -> object:
    x = b.input(F, n)
    return b.output(b.add("slice", x, start=(n - 1,), stop=(-1,), step=(-1,)))


def _column_by_count(b: GraphBuilder, n: Size) -> object:
    """Which column it is tells how many came along."""
    x = b.input(F, n, 8)
    return b.output(b.add("slice", x, start=(0, n - 1), stop=(n, n), step=(1, 1)))


def _table_of_entries(b: GraphBuilder, n: Size) -> object:
    x, ids = b.input(F, n, 4), b.input(I, n)
    return b.output(b.add("take", x, ids, axis=0))


def _interleaved(b: GraphBuilder, n: Size) -> object:
    """Entries are counted fastest, and so lie between one another."""
    x = b.input(F, 4, n)
    return b.output(b.add("reshape", b.add("reshape", x, shape=(n * 4,)), shape=(n, 4)))


def _two_axes(b: GraphBuilder, n: Size) -> object:
    return b.output(b.add("negative", b.input(F, n, n)))


def _queries_of_one(b: GraphBuilder, n: Size) -> object:
    """Entries are positions, which attention mixes."""
    x = b.input(F, 1, 2, n, 4)
    return b.output(b.add("attention", x, x, x, scale=0.5, causal=False))


def _windows_over_entries(b: GraphBuilder, n: Size) -> object:
    return b.output(_conv(b, b.input(F, 1, n, 2), b.constant(F, (3, 1, 2), [0.1] * 6)))


def _scattered(b: GraphBuilder, n: Size) -> object:
    x, ids = b.input(F, n, 4), b.input(I, n)
    base = b.constant(F, (5, 4), [0.0] * 20)
    return b.output(b.add("scatter", base, ids, b.add("expand_dims", x, axes=(1,)), axes=(0,), reduce="sum"))


def _windows_out_of_step(b: GraphBuilder, n: Size) -> object:
    flat = b.add("reshape", b.input(F, n, 5, 2), shape=(n * 10,))
    return b.output(b.add("as_strided", flat, shape=(n, 4), strides=(9, 2), offset=0))


def _windows_from_within(b: GraphBuilder, n: Size) -> object:
    flat = b.add("reshape", b.input(F, n, 5, 2), shape=(n * 10,))
    return b.output(b.add("as_strided", flat, shape=(n, 4), strides=(10, 1), offset=3))


def _windows_over_all(b: GraphBuilder, n: Size) -> object:
    flat = b.add("reshape", b.input(F, n, 5, 2), shape=(n * 10,))
    return b.output(b.add("as_strided", flat, shape=(n, 4), strides=(0, 1), offset=0))


def _added_across(b: GraphBuilder, n: Size) -> object:
    """The rows of the product and the columns of what is added."""
    x, other = b.input(F, n, 3), b.input(F, n)
    w = b.add("broadcast_to", b.constant(F, (3, 1), [0.5] * 3), shape=(3, n))
    return b.output(b.add("addmm", x, w, other, alpha=1.0, beta=1.0))


MIXED = (
    _added_across,
    _simple("sum", axes=(0,), keepdims=True), _simple("max", axes=(0, 1), keepdims=False),
    _simple("sort", axis=0), _simple("argmax", axis=0, keepdims=False), _simple("cumsum", axis=0, reverse=False, inclusive=True),
    _grammar, _meets_itself, _numbered, _counted, _counted_elements, _random, _first_entry, _backwards,
    _column_by_count, _table_of_entries, _interleaved, _two_axes, _queries_of_one, _windows_over_entries, _scattered,
    _windows_out_of_step, _windows_from_within, _windows_over_all,
)  # fmt: skip
