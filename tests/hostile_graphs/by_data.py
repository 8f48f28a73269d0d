"""What only the numbers of a call, or of a constant, make dangerous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_builder import GraphBuilder

from hostile_graphs.base import End, Hostile
from ostiary.graph.dtypes import Dtype

F, I = Dtype.FLOAT32, Dtype.INT32  # noqa: E741
NAN, INF = float("nan"), float("inf")
TABLE = ((4, 3), [float(number) for number in range(12)])
LOWEST = {Dtype.INT32: -(1 << 31), Dtype.INT64: -(1 << 63)}


def _index(op: str, dtype: Dtype, shape: tuple[int, ...], **attributes: Any) -> Callable[[GraphBuilder], object]:
    """Input 0 is the table, input 1 the index; what is written comes last where something is."""

    def build(b: GraphBuilder) -> object:
        table, index = b.input(F, 4, 3), b.input(dtype, *shape)
        return b.output(b.add(op, table, index, **attributes))

    return build


def _write(
    op: str, shape: tuple[int, ...], values: tuple[int, ...], *, last: bool = True, **attributes: Any
) -> Callable[[GraphBuilder], object]:
    def build(b: GraphBuilder) -> object:
        table, index, new = b.input(F, 4, 3), b.input(I, *shape), b.input(F, *values)
        return b.output(b.add(op, table, *((index, new) if last else (new, index)), **attributes))

    return build


def _two(op: str, dtype: Dtype) -> Callable[[GraphBuilder], object]:
    def build(b: GraphBuilder) -> object:
        one, other = b.input(dtype, 2), b.input(dtype, 2)
        return b.output(b.add(op, one, other))

    return build


def _computed_index(b: GraphBuilder) -> object:
    table, numbers = b.input(F, 4, 3), b.input(F, 2)
    return b.output(b.add("take", table, b.add("as_type", numbers, dtype=I), axis=0))


def _wrapped_index(b: GraphBuilder) -> object:
    """Looks as if it were bounded: a product of two numbers below 2**17 passes the end of its type."""
    table, index = b.input(F, 4, 3), b.input(Dtype.UINT16, 1)
    wide = b.add("as_type", index, dtype=I)
    return b.output(b.add("take", table, b.add("multiply", wide, wide), axis=0))


def _constant_index(b: GraphBuilder) -> object:
    table, index = b.input(F, 4, 3), b.constant(I, (2,), [1, 1_000_000_000])
    return b.output(b.add("take", table, index, axis=0))


def _constant_divisor(b: GraphBuilder) -> object:
    number, zero = b.input(I, 2), b.constant(I, (2,), [1, 0])
    return b.output(b.add("floor_divide", number, zero))


def _sorted_index(b: GraphBuilder) -> object:
    """Places in one array, used in a smaller one."""
    table, numbers = b.input(F, 4, 3), b.input(F, 9)
    return b.output(b.add("take", table, b.add("argsort", numbers, axis=0), axis=0))


def _mixed_indices(op: str, **attributes: Any) -> Callable[[GraphBuilder], object]:
    """Indices of two types that have no integer type in common."""

    def build(b: GraphBuilder) -> object:
        values = [b.input(F, 4, 3), b.input(Dtype.UINT64, 2), b.input(I, 2)]
        values += [b.input(F, 2, 1, 1)] if op == "scatter" else []
        return b.output(b.add(op, *values, axes=(0, 1), **attributes))

    return build


def _add_along(b: GraphBuilder) -> object:
    table, index, new = b.input(F, 4, 3), b.input(Dtype.UINT64, 4, 1), b.input(F, 4, 1)
    return b.output(b.add("put_along_axis", table, index, new, axis=1, reduce="sum"))


def _running_index(op: str) -> Callable[[GraphBuilder], object]:
    """Of numbers below 256; but the first of what comes before each is the end of their type."""

    def build(b: GraphBuilder) -> object:
        table, numbers = b.input(F, 300), b.input(Dtype.UINT8, 2)
        index = b.add(op, b.add("as_type", numbers, dtype=I), axis=0, reverse=False, inclusive=False)
        return b.output(b.add("take", table, index, axis=0))

    return build


def _last_of_axis(b: GraphBuilder) -> object:
    """Within bounds when the dim is 9, not when it is 2."""
    n = b.dim("n", 1, 9)
    table, index = b.input(F, n, 3), b.constant(I, (1,), [8])
    return b.output(b.add("take", table, index, axis=0))


def _factorise(op: str, **attributes: Any) -> Callable[[GraphBuilder], object]:
    def build(b: GraphBuilder) -> object:
        value = b.add(op, b.input(F, 2, 2), **attributes)
        if b.type_of(value).dtype is Dtype.COMPLEX64:
            value = b.add("real", value)
        return b.output(value)

    return build


def _choose_matrix(dtype: Dtype) -> Callable[[GraphBuilder], object]:
    def build(b: GraphBuilder) -> object:
        left, right = b.input(dtype, 2, 1, 4), b.input(dtype, 3, 4, 5)
        chosen = b.input(Dtype.UINT32, 1)
        return b.output(b.add("gather_mm", left, right, chosen, chosen))

    return build


def _choose_packed(b: GraphBuilder) -> object:
    x, chosen = b.input(F, 1, 1, 64), b.input(Dtype.UINT32, 1)
    words = b.constant(Dtype.UINT32, (2, 5, 8), [7.0] * 80)
    scales = b.constant(F, (2, 5, 2), [1.0] * 20)
    zero = b.add("multiply", chosen, chosen)
    value = b.add(
        "gather_qmm", x, words, scales, scales, b.add("subtract", zero, zero), chosen,
        group_size=32, bits=4, mode="affine", transpose=True,
    )  # fmt: skip
    return b.output(value)


def _masked(b: GraphBuilder) -> object:
    x, mask, values = b.input(F, 2, 4), b.input(Dtype.BOOL, 2, 4), b.input(F, 2, 3)
    return b.output(b.add("masked_scatter", x, mask, values))


_SLICE = {"axes": (0, 1), "sizes": (2, 2)}
_FAR = {
    Dtype.INT8: 127,
    Dtype.INT32: 1_000_000_000,
    Dtype.INT64: 1 << 40,
    Dtype.UINT8: 255,
    Dtype.UINT64: (1 << 64) - 1,
}
_ZERO_BY = [
    ("floor_divide", I),
    ("remainder", I),
    ("divmod", I),
    ("floor_divide", Dtype.UINT8),
    ("remainder", Dtype.INT64),
]

BY_DATA = (
    *[Hostile(f"take at a far {d}", _index("take", d, (1,), axis=0), [TABLE, ((1,), [far])]) for d, far in _FAR.items()],
    *[
        Hostile(f"take at {place}", _index("take", I, (1,), axis=0), [TABLE, ((1,), [place])])
        for place in (4, -5, -(1 << 31))
    ],
    Hostile("take at the last", _index("take", I, (1,), axis=0), [TABLE, ((1,), [-4])], End.HARMLESS),
    Hostile("take along an axis", _index("take_along_axis", I, (4, 1), axis=1), [TABLE, ((4, 1), [0, 0, 3, 0])]),
    Hostile("gather", _index("gather", I, (2,), axes=(1,)), [TABLE, ((2,), [0, -4])]),
    Hostile("slice from a far start", _index("dynamic_slice", I, (2,), **_SLICE), [TABLE, ((2,), [0, 1_000_000_000])]),
    Hostile("slice from below zero", _index("dynamic_slice", I, (2,), **_SLICE), [TABLE, ((2,), [-1, 0])]),
    Hostile("slice one too far", _index("dynamic_slice", I, (2,), **_SLICE), [TABLE, ((2,), [3, 0])]),
    *[
        Hostile(
            f"scatter with {how} far away",
            _write("scatter", (1,), (1, 1, 3), axes=(0,), reduce=how),
            [TABLE, ((1,), [1_000_000_000]), ((1, 1, 3), [1.0, 2.0, 3.0])],
        )
        for how in ("none", "sum", "prod", "max", "min")
    ],
    *[
        Hostile(
            f"put along an axis with {how} far away",
            _write("put_along_axis", (4, 1), (4, 1), axis=1, reduce=how),
            [TABLE, ((4, 1), [0, 0, -1_000_000_000, 0]), ((4, 1), [1.0] * 4)],
        )
        for how in ("none", "sum")
    ],
    Hostile(
        "update a slice far away",
        _write("dynamic_slice_update", (2,), (2, 2), last=False, axes=(0, 1)),
        [TABLE, ((2,), [0, 1_000_000_000]), ((2, 2), [1.0] * 4)],
    ),
    Hostile("more places than values", _masked, [((2, 4), [0.0] * 8), ((2, 4), [1] * 8), ((2, 3), [1.0] * 6)]),
    Hostile("a matrix of half precision", _choose_matrix(Dtype.FLOAT16),
            [((2, 1, 4), [1.0] * 8), ((3, 4, 5), [1.0] * 60), ((1,), [1])], End.HARMLESS),
    Hostile("a matrix that is not there", _choose_matrix(F), [((2, 1, 4), [0.0] * 8), ((3, 4, 5), [0.0] * 60), ((1,), [100_000_000])]),
    Hostile("a packed matrix that is not there", _choose_packed, [((1, 1, 64), [1.0] * 64), ((1,), [100_000_000])]),
    Hostile("places of two types", _mixed_indices("gather"), [TABLE, ((2,), [0, 3]), ((2,), [-1, 2])], End.HARMLESS),
    Hostile("far places of two types", _mixed_indices("gather"), [TABLE, ((2,), [0, (1 << 64) - 1]), ((2,), [-1, 2])]),
    Hostile("adding at places of two types", _mixed_indices("scatter", reduce="sum"),
            [TABLE, ((2,), [0, 3]), ((2,), [-1, 2]), ((2, 1, 1), [1.0, 2.0])], End.HARMLESS),
    Hostile("adding along an axis at places of 64 bits", _add_along,
            [TABLE, ((4, 1), [0, 2, 1, 0]), ((4, 1), [1.0] * 4)], End.HARMLESS),
    *[
        Hostile(f"a running index by {op}", _running_index(op), [((300,), [0.0] * 300), ((2,), [1, 2])])
        for op in ("cummax", "cummin")
    ],
    Hostile("an index that was no number", _computed_index, [TABLE, ((2,), [NAN, INF])]),
    Hostile("an index that wraps around", _wrapped_index, [TABLE, ((1,), [65_535])]),
    Hostile("an index that is a constant", _constant_index, [TABLE]),
    Hostile("places of another array", _sorted_index, [TABLE, ((9,), [float(n) for n in range(9)])]),
    Hostile("an index within another size", _last_of_axis, [((2, 3), [0.0] * 6)]),
    Hostile("an index within this size", _last_of_axis, [((9, 3), [0.0] * 27)], End.HARMLESS),
    *[Hostile(f"{op} of {d} by zero", _two(op, d), [((2,), [1, 2]), ((2,), [1, 0])]) for op, d in _ZERO_BY],
    *[
        Hostile(f"{op} of the lowest {d} by -1", _two(op, d), [((2,), [LOWEST[d], 1]), ((2,), [-1, 1])])
        for op in ("floor_divide", "remainder", "divmod")
        for d in (Dtype.INT32, Dtype.INT64)
    ],
    Hostile("division by a zero that is a constant", _constant_divisor, [((2,), [1, 2])]),
    Hostile("division of floats by zero", _two("divide", F), [((2,), [1, 2]), ((2,), [1, 0])], End.HARMLESS),
    Hostile("remainder of floats by zero", _two("remainder", F), [((2,), [1, 2]), ((2,), [1, 0])], End.HARMLESS),
    Hostile("an integer to a negative power", _two("power", I), [((2,), [2, 3]), ((2,), [1, -1])]),
    Hostile("shifts by more bits than there are", _two("left_shift", I), [((2,), [1, 1]), ((2,), [100, -1])], End.HARMLESS),
    *[
        Hostile(f"{op} of what is no number", _factorise(op, **options), [((2, 2), [NAN, 1, 1, NAN])])
        for op, options in (
            ("eig", {"vectors": False}), ("eig", {"vectors": True}), ("eigh", {"vectors": True, "upper": False}),
            ("svd", {"vectors": False}), ("qr", {}), ("cholesky", {"upper": False}),
            ("inverse", {"triangular": False, "upper": False}), ("inverse", {"triangular": True, "upper": True}),
        )
    ],
    *[
        Hostile(f"the Cholesky factor of a matrix {what}", _factorise("cholesky", upper=upper), [((2, 2), numbers)])
        for upper in (False, True)
        for what, numbers in (
            ("that is negative", [-1, 0, 0, 1]), ("that is indefinite", [1, 2, 2, 1]), ("of zeros", [0, 0, 0, 0]),
            ("that is almost one", [1, 1, 1, 1]),
        )
    ],
    Hostile("the Cholesky factor of a matrix that has one", _factorise("cholesky", upper=False), [((2, 2), [2, 1, 1, 2])],
            End.HARMLESS),
    Hostile("the inverse of a matrix that has none", _factorise("inverse", triangular=False, upper=False),
            [((2, 2), [1, 2, 2, 4])]),
    Hostile("the inverse of a triangle that has none", _factorise("inverse", triangular=True, upper=True),
            [((2, 2), [1, 2, 0, 0])]),
    Hostile("the inverse of infinity", _factorise("inverse", triangular=False, upper=False), [((2, 2), [INF, 1, 1, 2])]),
    Hostile("places among what is no number", lambda b: b.output(b.add("argsort", b.input(F, 64), axis=0)),
            [((64,), [NAN, 1.0, INF, -INF] * 16)], End.HARMLESS),
    Hostile("the greatest of what is no number", lambda b: b.output(b.add("argmax", b.input(F, 8), axis=0, keepdims=False)),
            [((8,), [NAN] * 8)], End.HARMLESS),
)  # fmt: skip
