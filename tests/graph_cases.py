"""Calls of every primitive, with odd shapes and all element types: material for tests of several rooms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ostiary.graph.dtypes import INTEGERS, Dtype
from ostiary.graph.primitives import PRIMITIVES

F32, F16, I32, U32, C64, BOOL = Dtype.FLOAT32, Dtype.FLOAT16, Dtype.INT32, Dtype.UINT32, Dtype.COMPLEX64, Dtype.BOOL
Shape = tuple[int, ...]
ALL = tuple(Dtype)
FLOATS = (F16, Dtype.BFLOAT16, F32)


@dataclass(frozen=True)
class Sample:
    """A call that inference takes or not; `refused` says which is expected, None leaves it open."""

    op: str
    inputs: tuple[tuple[Dtype, Shape], ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    refused: bool | None = None


def _ok(op: str, *inputs: tuple[Dtype, Shape], **attributes: Any) -> Sample:
    return Sample(op, inputs, attributes, refused=False)


def _no(op: str, *inputs: tuple[Dtype, Shape], **attributes: Any) -> Sample:
    return Sample(op, inputs, attributes, refused=True)


SHAPES: tuple[Shape, ...] = ((), (1,), (3,), (0,), (2, 3), (1, 3), (2, 0, 3), (2, 1, 3, 1))
PAIRS: tuple[tuple[Shape, Shape], ...] = (
    ((), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((0, 3), (1, 3)),
    ((0,), (1,)),
    ((5, 1, 4), (2, 4)),
    ((1, 1, 1), ()),
)
MISFITS: tuple[tuple[Shape, Shape], ...] = (((2,), (3,)), ((2, 3), (2,)), ((0,), (2,)), ((2, 1, 3), (4, 3, 3)))


def elementwise_samples() -> Iterator[Sample]:
    for row in PRIMITIVES.values():
        if row.family != "elementwise" or row.attributes or row.name == "select":
            continue
        if len(row.inputs) == 1:
            for dtype in ALL:
                yield Sample(row.name, ((dtype, (2, 3)),))
            for shape in SHAPES:
                dtype = C64 if row.name in {"real", "imag", "conjugate"} else F32
                dtype = I32 if row.name == "bitwise_invert" else dtype
                yield _ok(row.name, (dtype, shape))
            continue
        for left, right in product(ALL, ALL):
            yield Sample(row.name, ((left, (2,)), (right, (2,))))
        for one, other in PAIRS:
            yield _ok(row.name, (I32, one), (I32, other))
        for one, other in MISFITS:
            yield _no(row.name, (I32, one), (I32, other))
    for left, right in product(ALL, ALL):
        yield _ok("select", (BOOL, (2,)), (left, (2,)), (right, (2,)))
    yield _ok("select", (BOOL, (2, 1)), (F32, (3,)), (F32, ()))
    yield _no("select", (I32, (2,)), (F32, (2,)), (F32, (2,)))
    for before, after in product(ALL, ALL):
        yield _ok("as_type", (before, (2, 3)), dtype=after)
        yield Sample("view", ((before, (2, 8)),), {"dtype": after})
    yield _no("view", (F32, ()), dtype=Dtype.UINT8)
    yield _no("view", (Dtype.UINT8, (2, 3)), dtype=F32)
    yield _ok("view", (F32, (0,)), dtype=Dtype.UINT8)


def shape_samples() -> Iterator[Sample]:
    x = (F32, (2, 3, 4))
    yield _ok("broadcast_to", (F32, (3, 1)), shape=(2, 3, 4))
    yield _ok("broadcast_to", (F32, ()), shape=(0, 2))
    yield _no("broadcast_to", (F32, (3,)), shape=(3, 1))
    yield _no("broadcast_to", (F32, (2, 3)), shape=(3,))
    yield _no("broadcast_to", (F32, (0,)), shape=(2,))
    for shape in ((24,), (4, 3, 2), (1, 24, 1), (2, 12)):
        yield _ok("reshape", x, shape=shape)
    yield _ok("reshape", (F32, (0, 3)), shape=(5, 0))
    yield _ok("reshape", (F32, (1, 1)), shape=())
    yield _no("reshape", x, shape=(23,))
    yield _no("reshape", (F32, (0, 3)), shape=(1,))
    yield _ok("transpose", x, axes=(2, 0, 1))
    yield _ok("transpose", (F32, ()), axes=())
    for axes in ((0, 1), (0, 1, 1), (0, 1, 3), (0, 1, 2, 3)):
        yield _no("transpose", x, axes=axes)
    yield _ok("expand_dims", x, axes=(0, 2, 4))
    yield _ok("expand_dims", (F32, ()), axes=(0,))
    yield _no("expand_dims", x, axes=(4, 5))
    yield _no("expand_dims", x, axes=(5,))
    yield _no("expand_dims", x, axes=())
    yield _no("expand_dims", x, axes=(1, 1))
    yield _ok("squeeze", (F32, (1, 2, 1)), axes=(0, 2))
    yield _no("squeeze", (F32, (1, 2, 1)), axes=(1,))
    yield _no("squeeze", (F32, (1, 2, 1)), axes=(3,))
    yield _ok("slice", x, start=(0, 1, 0), stop=(2, 3, 4), step=(1, 1, 3))
    yield _ok("slice", x, start=(1, 2, 3), stop=(-1, 0, -1), step=(-1, -1, -2))
    yield _ok("slice", x, start=(1, 3, 0), stop=(1, 3, 0), step=(1, 2, 1))
    yield _ok("slice", (F32, ()), start=(), stop=(), step=())
    yield _no("slice", x, start=(0, 0, 0), stop=(2, 3, 5), step=(1, 1, 1))
    yield _no("slice", x, start=(0, 2, 0), stop=(2, 1, 4), step=(1, 1, 1))
    yield _no("slice", x, start=(0, 0, 0), stop=(2, 3, 4), step=(1, 0, 1))
    yield _no("slice", x, start=(2, 0, 0), stop=(-1, 3, 4), step=(-1, 1, 1))
    yield _no("slice", x, start=(-1, 0, 0), stop=(2, 3, 4), step=(1, 1, 1))
    yield _no("slice", x, start=(0, 0), stop=(2, 3), step=(1, 1))
    yield _no("slice", x, start=(-1, 0, 0), stop=(-1, 3, 4), step=(-1, 1, 1))
    yield _ok("slice", x, start=(0, 2, 3), stop=(-1, 2, 3), step=(-1, -1, -7))
    yield _ok("concatenate", x, (F32, (2, 1, 4)), (F32, (2, 0, 4)), axis=1)
    yield _ok("concatenate", x, axis=0)
    yield _no("concatenate", x, (F32, (2, 3, 5)), axis=1)
    yield _no("concatenate", x, (F16, (2, 3, 4)), axis=1)
    yield _no("concatenate", x, (F32, (2, 3)), axis=0)
    yield _no("concatenate", x, x, axis=3)
    yield _no("concatenate", (F32, ()), axis=0)
    yield _ok("split", x, axis=2, at=(1, 1, 3))
    yield _ok("split", x, axis=0, at=())
    yield _no("split", x, axis=2, at=(3, 1))
    yield _no("split", x, axis=2, at=(5,))
    yield _no("split", x, axis=3, at=(1,))
    yield _ok("pad", x, (F32, ()), before=(0, 1, 2), after=(0, 0, 3))
    yield _ok("pad", (F32, (0,)), (F32, ()), before=(1,), after=(1,))
    yield _no("pad", x, (F32, (1,)), before=(0, 1, 2), after=(0, 0, 3))
    yield _no("pad", x, (I32, ()), before=(0, 1, 2), after=(0, 0, 3))
    yield _no("pad", x, (F32, ()), before=(0, 1), after=(0, 0))
    yield _ok("as_strided", x, shape=(3, 4), strides=(4, 1), offset=12)
    yield _ok("as_strided", x, shape=(2, 2), strides=(0, 23), offset=0)
    yield _ok("as_strided", x, shape=(0, 9), strides=(24, 24), offset=24)
    yield _no("as_strided", x, shape=(0, 9), strides=(25, 1), offset=0)
    yield _no("as_strided", x, shape=(2,), strides=(-1,), offset=1)
    yield _no("as_strided", x, shape=(2,), strides=(1,), offset=-1)
    yield _no("as_strided", x, shape=(1,), strides=((1 << 53) - 1,), offset=0)
    yield _no("as_strided", x, shape=(0,), strides=(1,), offset=25)
    yield _ok("as_strided", x, shape=(), strides=(), offset=23)
    yield _no("as_strided", x, shape=(), strides=(), offset=24)
    yield _no("as_strided", x, shape=(3, 4), strides=(4, 1), offset=13)
    yield _no("as_strided", x, shape=(2,), strides=(1 << 40,), offset=0)
    yield _no("as_strided", x, shape=(2,), strides=(1, 1), offset=0)
    yield _no("as_strided", (F32, (0,)), shape=(1,), strides=(0,), offset=0)
    for dtype in (I32, F32, F16, Dtype.INT64, Dtype.UINT8, Dtype.BFLOAT16):
        yield _ok("arange", start=0.0, step=1.0, size=5, dtype=dtype)
        yield _ok("arange", start=7.0, step=2.0, size=1, dtype=dtype)
    yield _ok("arange", start=0.0, step=-1.0, size=3, dtype=I32)
    yield _ok("arange", start=0.5, step=0.1, size=11, dtype=F32)
    yield _ok("arange", start=0.0, step=1.0, size=0, dtype=F32)
    yield _no("arange", start=0.5, step=1.0, size=3, dtype=I32)
    yield _no("arange", start=0.0, step=0.0, size=3, dtype=I32)
    yield _no("arange", start=float("nan"), step=1.0, size=3, dtype=F32)
    yield _no("arange", start=0.0, step=float("inf"), size=3, dtype=F32)
    yield _no("arange", start=0.0, step=1.0, size=3, dtype=BOOL)
    yield _no("arange", start=0.0, step=1.0, size=3, dtype=C64)
    yield _ok("number_of_elements", x, axes=(0, 2), inverted=True, dtype=F32)
    yield _ok("number_of_elements", x, axes=(), inverted=False, dtype=I32)
    yield _no("number_of_elements", x, axes=(3,), inverted=False, dtype=I32)
    yield _no("number_of_elements", x, axes=(0,), inverted=True, dtype=I32)
    yield _no("number_of_elements", (F32, (0,)), axes=(0,), inverted=True, dtype=F32)
    yield _ok("size_value", size=7, dtype=I32)
    yield _ok("size_value", size=0, dtype=F32)
    yield _no("size_value", size=7, dtype=BOOL)


def reduction_samples() -> Iterator[Sample]:
    for op in ("sum", "prod", "min", "max", "all", "any"):
        for dtype in ALL:
            yield _ok(op, (dtype, (2, 3)), axes=(0,), keepdims=False)
        yield _ok(op, (F32, (2, 1, 4)), axes=(0, 2), keepdims=True)
        yield _ok(op, (F32, (2, 1, 4)), axes=(0, 1, 2), keepdims=False)
        yield _ok(op, (F32, (0, 3)), axes=(1,), keepdims=False)
        yield _no(op, (F32, (0, 3)), axes=(0,), keepdims=False)
        yield _no(op, (F32, (2, 3)), axes=(), keepdims=False)
        yield _no(op, (F32, (2, 3)), axes=(2,), keepdims=False)
        yield _no(op, (F32, ()), axes=(0,), keepdims=False)
        yield _no(op, (F32, (2, 3)), axes=(1, 0), keepdims=False)
    for op in ("argmin", "argmax"):
        for dtype in ALL:
            yield _ok(op, (dtype, (2, 3)), axis=1, keepdims=False)
        yield _ok(op, (F32, (2, 3)), axis=0, keepdims=True)
        yield _no(op, (F32, (2, 0)), axis=1, keepdims=True)
        yield _no(op, (F32, ()), axis=0, keepdims=True)
    for op in ("sort", "argsort"):
        for dtype in ALL:
            yield _ok(op, (dtype, (2, 3)), axis=1)
        yield _ok(op, (F32, (2, 1, 3)), axis=0)
        yield _no(op, (F32, (2, 3)), axis=2)
        yield _no(op, (F32, (2, 0)), axis=1)
    for op in ("partition", "argpartition"):
        for dtype in ALL:
            yield _ok(op, (dtype, (2, 3)), axis=1, kth=2)
        yield _no(op, (F32, (2, 3)), axis=1, kth=3)
        yield _no(op, (F32, (2, 3)), axis=2, kth=0)
        yield _no(op, (F32, (2, 0)), axis=1, kth=0)
    for op, reverse, inclusive in product(
        ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"), (0, 1), (0, 1)
    ):
        for dtype in ALL:
            if (reverse, inclusive) == (0, 1):
                yield _ok(op, (dtype, (2, 3)), axis=1, reverse=False, inclusive=True)
        yield _ok(op, (F32, (2, 1, 3)), axis=0, reverse=bool(reverse), inclusive=bool(inclusive))
        yield _no(op, (F32, (2, 3)), axis=2, reverse=False, inclusive=True)
        yield _no(op, (F32, (0,)), axis=0, reverse=False, inclusive=True)
    for dtype, precise in product(ALL, (False, True)):
        yield _ok("softmax", (dtype, (2, 3)), precise=precise)
    yield _ok("softmax", (F32, (0, 3)), precise=False)
    yield _no("softmax", (F32, ()), precise=False)
    yield _no("softmax", (F32, (3, 0)), precise=False)
    for dtype in ALL:
        yield _ok("logsumexp", (dtype, (2, 3)))
    yield _no("logsumexp", (F32, ()))


def index_samples() -> Iterator[Sample]:
    x, i = (F32, (4, 5, 6)), (I32, (2, 3))
    for dtype in ALL:
        yield Sample("take", ((F32, (4, 5)), (dtype, (3,))), {"axis": 1}, refused=dtype not in INTEGERS)
        yield _ok("take", (dtype, (4, 5)), (I32, (3,)), axis=0)
    yield _ok("take", x, i, axis=1)
    yield _ok("take", x, (I32, ()), axis=2)
    yield _ok("take", x, (U32, (0,)), axis=2)
    yield _no("take", (F32, (4, 0)), i, axis=1)
    yield _no("take", x, i, axis=3)
    yield _ok("take_along_axis", x, (I32, (4, 2, 6)), axis=1)
    yield _no("take_along_axis", x, (I32, (4, 2, 5)), axis=1)
    yield _no("take_along_axis", x, (I32, (4, 2)), axis=1)
    for reduce in ("none", "sum"):
        yield _ok("put_along_axis", x, (I32, (4, 2, 6)), (F32, (4, 2, 6)), axis=1, reduce=reduce)
        yield _no("put_along_axis", x, (I32, (4, 2, 6)), (F32, (4, 1, 6)), axis=1, reduce=reduce)
        yield _no("put_along_axis", x, (I32, (4, 2, 6)), (F16, (4, 2, 6)), axis=1, reduce=reduce)
    yield _ok("gather", x, i, axes=(1,))
    yield _ok("gather", x, i, (U32, (3,)), axes=(0, 2))
    yield _ok("gather", x, (I32, ()), (U32, ()), axes=(0, 2))
    yield _ok("gather", x, i, i, i, axes=(0, 1, 2))
    yield _no("gather", x, i, axes=(0, 1))
    yield _no("gather", x, i, i, axes=(1, 0))
    yield _no("gather", x, i, axes=(3,))
    yield _no("gather", x, (F32, (2,)), axes=(0,))
    yield _no("gather", x, i, (I32, (4,)), axes=(0, 1))
    for reduce in ("none", "sum", "prod", "max", "min"):
        yield _ok("scatter", x, i, (F32, (2, 3, 1, 5, 6)), axes=(0,), reduce=reduce)
        yield _ok("scatter", x, i, (I32, (3,)), (F32, (2, 3, 1, 5, 1)), axes=(0, 2), reduce=reduce)
        yield _no("scatter", x, i, (F32, (2, 3, 5, 6)), axes=(0,), reduce=reduce)
        yield _no("scatter", x, i, (F16, (2, 3, 1, 5, 6)), axes=(0,), reduce=reduce)
        yield _no("scatter", x, i, (F32, (2, 3, 1, 5, 6)), axes=(0, 1), reduce=reduce)
    where = {"start": (0, 1, 0), "stop": (4, 3, 6), "step": (1, 1, 3)}
    for reduce in ("none", "sum", "prod", "max", "min"):
        yield _ok("slice_update", x, (F32, (4, 2, 2)), **where, reduce=reduce)
        yield _ok("slice_update", x, (F32, ()), **where, reduce=reduce)
        yield _no("slice_update", x, (F32, (4, 2, 3)), **where, reduce=reduce)
        yield _no("slice_update", x, (I32, (4, 2, 2)), **where, reduce=reduce)
    yield _ok("dynamic_slice", x, (I32, (2,)), axes=(0, 2), sizes=(2, 5, 6))
    yield _ok("dynamic_slice", x, (U32, (1,)), axes=(1,), sizes=(4, 1, 6))
    yield _no("dynamic_slice", x, (I32, (2,)), axes=(0, 2), sizes=(5, 5, 6))
    yield _no("dynamic_slice", x, (I32, (3,)), axes=(0, 2), sizes=(2, 5, 6))
    yield _no("dynamic_slice", x, (F32, (2,)), axes=(0, 2), sizes=(2, 5, 6))
    yield _ok("dynamic_slice_update", x, (F32, (2, 5, 3)), (I32, (2,)), axes=(0, 2))
    yield _no("dynamic_slice_update", x, (F32, (2, 6, 3)), (I32, (2,)), axes=(0, 2))
    yield _no("dynamic_slice_update", x, (F16, (2, 5, 3)), (I32, (2,)), axes=(0, 2))
    for dtype in ALL:
        yield _ok("searchsorted", (dtype, (5,)), (F32, (2, 3)), right=False)
    yield _ok("searchsorted", (F32, (0,)), (F32, ()), right=True)
    yield _no("searchsorted", (F32, (2, 5)), (F32, (3,)), right=True)
    yield _ok("masked_scatter", (F32, (2, 5)), (BOOL, (2, 5)), (F32, (2, 3)))
    yield _no("masked_scatter", (F32, (2, 5)), (BOOL, (2, 4)), (F32, (2, 3)))
    yield _no("masked_scatter", (F32, (2, 5)), (I32, (2, 5)), (F32, (2, 3)))
    yield _no("masked_scatter", (F32, (2, 5)), (BOOL, (2, 5)), (F32, (2, 0)))


def convolution(**changes: Any) -> dict[str, Any]:
    axes = changes.pop("axes", 2)
    plain = {
        "stride": (1,) * axes,
        "padding_low": (0,) * axes,
        "padding_high": (0,) * axes,
        "kernel_dilation": (1,) * axes,
        "input_dilation": (1,) * axes,
        "groups": 1,
        "flip": False,
    }
    return plain | changes


def linear_samples() -> Iterator[Sample]:
    for left, right in product(ALL, ALL):
        yield Sample("matmul", ((left, (2, 3)), (right, (3, 2))))
    pairs = [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((0, 3), (3, 2)),
        ((5, 2, 3), (3,)),
    ]
    for one, other in pairs:
        yield _ok("matmul", (F32, one), (F32, other))
    for one, other in [((2, 3), (2, 3)), ((), (3,)), ((2, 0), (0, 2)), ((5, 2, 3), (4, 3, 2))]:
        yield _no("matmul", (F32, one), (F32, other))
    scale = {"alpha": 0.5, "beta": 2.0}
    for a, b, c in product(FLOATS, FLOATS, FLOATS):
        yield _ok("addmm", (a, (2, 3)), (b, (3, 4)), (c, (4,)), **scale)
    yield _ok("addmm", (F32, (5, 2, 3)), (F32, (3, 4)), (F32, (2, 4)), **scale)
    yield _no("addmm", (F32, (2, 3)), (F32, (3, 4)), (F32, (3, 4)), **scale)
    yield _ok("gather_mm", (F32, (5, 2, 3)), (F32, (4, 3, 2)), (U32, (6,)), (U32, (6,)))
    yield _ok("gather_mm", (F32, (2, 3)), (F32, (4, 3, 2)), (U32, (2, 2)), (U32, (2, 2)))
    yield _no("gather_mm", (F32, (2, 3)), (F32, (4, 3, 2)), (U32, (2,)), (U32, (3,)))
    yield _no("gather_mm", (F32, (2, 3)), (F32, (4, 3, 2)), (I32, (2,)), (I32, (2,)))
    yield _no("gather_mm", (F32, (2, 3)), (F32, (4, 2, 2)), (U32, (2,)), (U32, (2,)))
    for a, b in product(FLOATS, FLOATS):
        yield _ok("convolution", (a, (2, 9, 8, 3)), (b, (4, 3, 2, 3)), **convolution())
    x = (F32, (2, 9, 8, 4))
    yield _ok("convolution", x, (F32, (6, 3, 2, 2)), **convolution(groups=2, stride=(2, 3), padding_low=(1, 0)))
    yield _ok("convolution", x, (F32, (4, 9, 8, 4)), **convolution())
    yield _ok("convolution", x, (F32, (4, 3, 3, 4)), **convolution(kernel_dilation=(4, 3), flip=True))
    yield _ok("convolution", x, (F32, (4, 3, 3, 4)), **convolution(input_dilation=(2, 3), padding_high=(2, 1)))
    yield _ok("convolution", (F32, (2, 9, 4)), (F32, (8, 3, 1)), **convolution(axes=1, groups=4, stride=(2,)))
    yield _ok(
        "convolution", (F32, (1, 4, 5, 6, 2)), (F32, (3, 2, 2, 2, 2)), **convolution(axes=3, stride=(1, 2, 3))
    )
    yield _no("convolution", (F32, (1, 4, 5, 6, 2)), (F32, (4, 2, 2, 2, 1)), **convolution(axes=3, groups=2))
    yield _no("convolution", x, (F32, (4, 10, 2, 4)), **convolution())
    yield _no("convolution", x, (F32, (4, 3, 3, 4)), **convolution(kernel_dilation=(5, 3)))
    yield _no("convolution", x, (F32, (4, 3, 3, 3)), **convolution())
    far = {"input_dilation": (1 << 20, 1), "stride": (1 << 20, 1)}
    yield _no("convolution", (F32, (1, 2_049, 3, 4)), (F32, (4, 1, 3, 4)), **convolution(**far))
    yield _no("convolution", x, (F32, (5, 3, 3, 2)), **convolution(groups=2))
    yield _no("convolution", x, (F32, (4, 0, 3, 4)), **convolution())
    yield _no("convolution", (F32, (2, 0, 8, 4)), (F32, (4, 1, 1, 4)), **convolution())
    yield _no("convolution", (F32, (2, 9, 8, 0)), (F32, (4, 1, 1, 0)), **convolution())
    yield _no("convolution", (I32, (2, 9, 8, 3)), (I32, (4, 3, 2, 3)), **convolution())
    yield _no("convolution", x, (F32, (4, 3, 4)), **convolution())
    yield _no("convolution", x, (F32, (4, 3, 3, 4)), **convolution(stride=(1,)))
    for size in (1, 2, 8, 12, 24, 20, 28, 56):
        yield _ok("hadamard_transform", (F32, (2, size)), scale=0.5)
    for size in (0, 3, 6, 7, 36):
        yield _no("hadamard_transform", (F32, (2, size)), scale=0.5)
    yield _ok("fft", (C64, (4, 6)), axes=(0, 1), inverse=False, real=False, n=6)
    yield _ok("fft", (C64, (4, 6)), axes=(1, 0), inverse=True, real=False, n=4)
    yield _ok("fft", (F32, (4, 6)), axes=(1,), inverse=False, real=True, n=4)
    yield _ok("fft", (F32, (4, 5)), axes=(1, 0), inverse=False, real=True, n=3)
    yield _ok("fft", (C64, (4, 4)), axes=(0, 1), inverse=True, real=True, n=6)
    yield _ok("fft", (C64, (4, 4)), axes=(0, 1), inverse=True, real=True, n=7)
    yield _no("fft", (C64, (4, 4)), axes=(0, 1), inverse=True, real=True, n=8)
    yield _no("fft", (F32, (4, 6)), axes=(1,), inverse=False, real=True, n=6)
    yield _no("fft", (F32, (4, 6)), axes=(1,), inverse=False, real=False, n=6)
    yield _no("fft", (C64, (4, 6)), axes=(1, 1), inverse=False, real=False, n=6)
    yield _no("fft", (C64, (4, 0)), axes=(1,), inverse=False, real=False, n=0)
    yield _no("fft", (C64, (4, 6)), axes=(2,), inverse=False, real=False, n=6)
    for shape in ((3, 3), (2, 3, 3), (1, 1)):
        yield _ok("inverse", (F32, shape), triangular=False, upper=False)
        yield _ok("inverse", (F32, shape), triangular=True, upper=True)
        yield _ok("cholesky", (F32, shape), upper=True)
        for vectors in (True, False):
            yield _ok("eigh", (F32, shape), upper=False, vectors=vectors)
            yield _ok("eig", (F32, shape), vectors=vectors)
    for shape in ((3, 3), (2, 3), (4, 3), (2, 4, 3)):
        yield _ok("qr", (F32, shape))
        yield _ok("svd", (F32, shape), vectors=True)
        yield _ok("svd", (F32, shape), vectors=False)
    yield _no("inverse", (F32, (2, 3)), triangular=False, upper=False)
    yield _no("cholesky", (F32, (0, 0)), upper=False)
    yield _no("cholesky", (F16, (2, 2)), upper=False)
    yield _no("qr", (F32, (3,)))


def packed_samples() -> Iterator[Sample]:
    affine = {"group_size": 32, "bits": 4, "mode": "affine"}
    for group, bits in product((32, 64, 128), (2, 3, 4, 5, 6, 8)):
        mode = {"group_size": group, "bits": bits, "mode": "affine"}
        words, groups = 256 * bits // 32, 256 // group
        packed = ((U32, (6, words)), (F32, (6, groups)), (F32, (6, groups)))
        yield _ok("quantize", (F32, (6, 256)), **mode)
        yield _ok("dequantize", *packed, **mode, dtype=F32)
        yield _ok("quantized_matmul", (F32, (3, 256)), *packed, **mode, transpose=True)
        yield _ok("quantized_matmul", (F32, (3, 6)), *packed, **mode, transpose=False)
    for mode, group, bits in (("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)):
        named = {"group_size": group, "bits": bits, "mode": mode}
        packed = ((U32, (6, 64 * bits // 32)), (Dtype.UINT8, (6, 64 // group)))
        yield _ok("quantize", (F32, (6, 64)), **named)
        yield _ok("dequantize", *packed, **named, dtype=F16)
        yield _ok("quantized_matmul", (F32, (3, 64)), *packed, **named, transpose=True)
        yield _no("quantized_matmul", (F32, (3, 64)), *packed, packed[1], **named, transpose=True)
    packed4 = ((U32, (6, 8)), (F32, (6, 2)), (F32, (6, 2)))
    yield _ok("quantized_matmul", (F32, (2, 5, 3, 64)), *packed4, **affine, transpose=True)
    yield _no("quantized_matmul", (F32, (3, 32)), *packed4, **affine, transpose=True)
    yield _no("quantized_matmul", (F16, (3, 64)), *packed4, **affine, transpose=True)
    yield _no("quantized_matmul", (F32, (3, 64)), *packed4[:2], **affine, transpose=True)
    yield _no("quantized_matmul", (F32, (3, 64)), packed4[0], (F32, (6, 1)), packed4[2], **affine, transpose=True)
    for broken in ({"group_size": 48}, {"bits": 7}, {"bits": 1}):
        yield _no("quantize", (F32, (6, 96)), **(affine | broken))
    yield _no("quantize", (F32, (6, 40)), **affine)
    yield _no("quantize", (F32, (64,)), **affine)
    stacked = ((U32, (4, 6, 8)), (F32, (4, 6, 2)), (F32, (4, 6, 2)))
    yield _ok("gather_qmm", (F32, (5, 3, 64)), *stacked, (U32, (7,)), (U32, (7,)), **affine, transpose=True)
    yield _no("gather_qmm", (F32, (5, 3, 64)), *stacked, (U32, (7,)), (U32, (6,)), **affine, transpose=True)
    for op in ("rms_norm", "layer_norm"):
        for a, b in product(FLOATS, FLOATS):
            yield _ok(op, (a, (2, 3, 8)), (b, (8,)), eps=1e-5)
        yield _ok(op, (F32, (8,)), eps=1e-5)
        yield _no(op, (F32, (2, 8)), (F32, (7,)), eps=1e-5)
        yield _no(op, (F32, ()), eps=1e-5)
        yield _no(op, (F32, (2, 8)), eps=float("nan"))
        yield _no(op, (I32, (2, 8)), eps=1e-5)
    yield _ok("layer_norm", (F32, (2, 8)), (F32, (8,)), (F32, (8,)), eps=1e-5)
    turn = {"dims": 4, "traditional": False, "base": 10000.0, "scale": 1.0}
    for dtype in FLOATS:
        yield _ok("rope", (dtype, (2, 3, 5, 8)), (I32, ()), **turn)
    yield _ok("rope", (F32, (2, 5, 8)), (I32, ()), **(turn | {"traditional": True}))
    yield _ok("rope", (F32, (2, 3, 5, 8)), (I32, ()), (F32, (2,)), **(turn | {"base": 0.0}))
    yield _no("rope", (F32, (2, 3, 5, 8)), (I32, ()), (F32, (2,)), **turn)
    yield _no("rope", (F32, (2, 3, 5, 8)), (I32, (1,)), **turn)
    yield _no("rope", (F32, (5, 8)), (I32, ()), **turn)
    for dims in (3, 10):
        yield _no("rope", (F32, (2, 3, 5, 8)), (I32, ()), **(turn | {"dims": dims}))
    look = {"scale": 0.5, "causal": False}
    for dtype in FLOATS:
        yield _ok("attention", (dtype, (2, 4, 5, 8)), (dtype, (2, 2, 7, 8)), (dtype, (2, 2, 7, 6)), **look)
    q, k, v = (F32, (2, 4, 5, 8)), (F32, (2, 2, 5, 8)), (F32, (2, 2, 5, 8))
    yield _ok("attention", q, k, v, scale=0.5, causal=True)
    yield _ok("attention", q, k, v, (BOOL, (5, 5)), **look)
    yield _ok("attention", q, k, v, (F32, (2, 1, 5, 5)), **look)
    yield _no("attention", q, k, v, (F32, (5, 5)), scale=0.5, causal=True)
    yield _no("attention", q, k, v, (I32, (5, 5)), **look)
    yield _no("attention", q, k, v, (F32, (5, 4)), **look)
    yield _no("attention", (F32, (2, 3, 5, 8)), k, v, **look)
    yield _no("attention", (F32, (2, 0, 5, 8)), (F32, (2, 0, 5, 8)), (F32, (2, 0, 5, 8)), **look)
    yield _no("attention", q, k, (F32, (2, 2, 4, 8)), **look)
    yield _no("attention", q, (F32, (2, 2, 5, 7)), v, **look)
    for width in (1, 2, 4):
        yield _ok("random_bits", (U32, (2,)), shape=(3, 5), width=width)
    yield _ok("random_bits", (U32, (2,)), shape=(), width=4)
    yield _no("random_bits", (U32, (2,)), shape=(3,), width=3)
    yield _no("random_bits", (U32, (2, 2)), shape=(3,), width=4)
    yield _no("random_bits", (I32, (2,)), shape=(3,), width=4)


def all_samples() -> list[Sample]:
    groups = (
        elementwise_samples,
        shape_samples,
        reduction_samples,
        index_samples,
        linear_samples,
        packed_samples,
    )
    return [sample for group in groups for sample in group()]
